"""A file that goes with a message, for channels that can carry one.

A file that is gone or too large keeps nobody from being told: the message says where it lies.
"""

from __future__ import annotations

import logging
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Mail servers refuse larger mails, 10 MiB being a common bound, and a mail grows by a third.
_LARGEST_BYTES: Final = 7 * 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file's name, kind and bytes."""

    name: str
    media_type: str
    content: bytes


def attached(data: Path, relative: str) -> Attachment | None:
    """The file of a message, which lies in the data folder; None if it cannot go along."""
    if not relative:
        return None
    path = (data / relative).resolve()
    try:
        content = path.read_bytes() if path.is_relative_to(data.resolve()) else None
    except OSError as error:
        _log.warning("%s does not go with its message: %s", path, error)
        return None
    if content is None or len(content) > _LARGEST_BYTES:
        _log.warning("%s does not go with its message: %s", path, _why(content))
        return None
    media_type, _ = mimetypes.guess_type(path.name)
    return Attachment(path.name, media_type or "application/octet-stream", content)


def _why(content: bytes | None) -> str:
    if content is None:
        return "it lies outside of the data folder"
    return f"it has {len(content)} bytes, more than mail servers take"
