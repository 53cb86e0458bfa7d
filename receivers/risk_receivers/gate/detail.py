"""Write ``gate.json`` even where nothing can be written any more.

Spares of it lie ready, each with its space. Writing one is: overwrite it in place, cut it to
length, rename it over ``gate.json``; none of that needs room on the disk. There are as many as a
kill can need from the first trip to the tightest mode.

Readers look at the same machine's files, which show what was written before any disk holds it; so
nobody who is to be refused waits for a disk. What a power cut takes away nobody misses: no lease
outlasts the machine's start, and the next publisher writes what is on record.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path
from typing import Final

from risk_policy.contracts import gate as contract
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.lease_file import FILE_MODE
from risk_receivers.store import reserve

_SPARES: Final = len(KillMode)
#: The longest reason an operator may give fits in several times.
_SPARE_BYTES: Final = 16_384
_log = logging.getLogger(__name__)


class DetailFile:
    """The one writer of a folder's ``gate.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taking = threading.Lock()  # a spare, or its name; never held while waiting
        self._encoded: tuple[contract.GateDetail, bytes] | None = None  # the latest
        self._spares = [
            folder / f".{contract.DETAIL_FILE}.spare-{number}" for number in range(_SPARES)
        ]

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it makes."""
        return (self._folder / contract.DETAIL_FILE, *self._spares)

    def prepare(self) -> None:
        """Have every spare. A disk that is too full for that is no reason not to go on."""
        for spare in self._spares:
            try:
                if not _has_its_space(spare):
                    made = reserve.filled(spare.with_name(f"{spare.name}.new"), _SPARE_BYTES)
                    with self._taking:
                        made.replace(spare)
            except OSError as error:
                _log.warning("no space can be kept for gate.json: %s", error)

    def holds(self, detail: contract.GateDetail) -> bool:
        """Whether a reader that comes now finds exactly this."""
        try:
            return contract.detail_bytes(self._folder) == self._bytes_of(detail)
        except OSError:
            return False

    def _bytes_of(self, detail: contract.GateDetail) -> bytes:
        """Its bytes, which are asked for again and again as long as it is the same."""
        known = self._encoded
        if known is None or known[0] is not detail:
            self._encoded = known = detail, contract.encode_detail(detail)
        return known[1]

    def show(self, detail: contract.GateDetail) -> None:
        """Replace ``gate.json`` atomically: whoever reads it from now on finds this one. Waits for
        no disk; :meth:`keep` does. Raises OSError.
        """
        data = self._bytes_of(detail)
        with self._taking:
            is_shown = any(self._took(spare, data) for spare in self._spares)
        if not is_shown:
            contract.write_detail(self._folder, detail, FILE_MODE)

    def keep(self) -> None:
        """Make durable what is shown, and have every spare again. Raises OSError."""
        with (self._folder / contract.DETAIL_FILE).open("rb") as stream:
            os.fsync(stream.fileno())
        self.prepare()
        reserve.sync_folder(self._folder)

    def _took(self, spare: Path, data: bytes) -> bool:
        """Whether a spare had room, and is ``gate.json`` now."""
        if len(data) > _SPARE_BYTES:
            return False
        try:
            if not _has_its_space(spare):
                return False
            with contextlib.closing(reserve.Reserved(spare)) as file:
                file.show(0, data)
            os.truncate(spare, len(data))
            spare.chmod(FILE_MODE)  # before anybody can find it
            spare.replace(self._folder / contract.DETAIL_FILE)
        except OSError as error:
            _log.warning("%s cannot be used: %s", spare, error)
            return False
        return True


def _has_its_space(spare: Path) -> bool:
    try:
        return spare.stat().st_size == _SPARE_BYTES
    except FileNotFoundError:
        return False
