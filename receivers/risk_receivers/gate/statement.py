"""The file ``HALTED`` beside the gate: there while the kill switch is tripped over everything.

For scripts that look at a file system and at nothing else. No reader of the gate needs it, so what
cannot be written is in the log, and holds nobody up.
"""

from __future__ import annotations

import logging
from pathlib import Path

from risk_policy.contracts.marker import HALTED_FILE
from risk_policy.contracts.restriction import Kill
from risk_receivers.gate.lease_file import FILE_MODE

_log = logging.getLogger(__name__)


def state(folder: Path, kill: Kill | None) -> None:
    """Say that a kill is in force, or that none is."""
    path = folder / HALTED_FILE
    try:
        if kill is None:
            path.unlink(missing_ok=True)
            return
        text = f"{kill}, since {kill.since.isoformat()}, id {kill.id}\n"
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return
        staging = path.with_name(f".{HALTED_FILE}")
        try:
            staging.write_text(text, encoding="utf-8")
        except OSError as error:  # a disk may be full; that it is there says most of it
            _log.warning("%s says nothing more: %s", HALTED_FILE, error)
            staging.touch()
        staging.chmod(FILE_MODE)
        staging.replace(path)
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be kept: %s", HALTED_FILE, error)
