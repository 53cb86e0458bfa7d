"""The chain's head, noted in a small file beside the database: what must be there at least.

SQLite cannot tell a write-ahead log that was lost or deleted from one that never was: it opens
what is left without a word. So after every commit, and before anybody is answered, the new head
is noted here. Nothing is ever noted that is not committed, so a crash in between leaves the file
behind the database, never ahead: a chain that does not reach the noted head has lost records.

Noting is one write in place, seen by whoever opens the file from then on, whatever becomes of
this process. It is synchronised once a second only, since doing it each time would cost a lone
commit half its speed. So what can go unseen is a log that is lost together with the machine's
power, and only the last second of it.
"""

from __future__ import annotations

import os
import re
import time
import zlib
from pathlib import Path
from typing import Final

from risk_receivers.audit.chain import Head
from risk_receivers.store.errors import StoreError

#: A disk's smallest unit, which is written whole or not at all.
_SLOT_BYTES: Final = 512
#: Taken in turns: whatever becomes of the one being written, the other stays.
_SLOTS: Final = 2
_SYNC_SECONDS: Final = 1.0
_LINE: Final = re.compile(rb"riskwarden-head-1 (\d{1,19}) ([0-9a-f]{64})")


class NotedHeadError(StoreError):
    """The noted head cannot be read."""


def path_beside(database: Path) -> Path:
    """Where a database's head is noted."""
    return database.with_name(f"{database.name}.head")


def read(database: Path) -> Head | None:
    """The noted head; None if none was ever noted. Raises NotedHeadError."""
    path = path_beside(database)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotedHeadError(f"{path}: the noted head cannot be read: {error}") from error
    slots = [data[begin : begin + _SLOT_BYTES] for begin in range(0, len(data), _SLOT_BYTES)]
    heads = [head for slot in slots if (head := _decoded(slot))]
    if not heads and any(data):
        raise NotedHeadError(f"{path}: the noted head cannot be read: the file is damaged")
    return max(heads, key=lambda head: head.size, default=None)


class HeadFile:
    """Notes heads for one writer's thread."""

    def __init__(self, database: Path) -> None:
        """Open the file, with its space taken. Raises OSError."""
        self.path = path_beside(database)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = 0
        self._synced_at = time.monotonic()
        size = os.fstat(self._descriptor).st_size
        if size < _SLOTS * _SLOT_BYTES:
            os.pwrite(self._descriptor, bytes(_SLOTS * _SLOT_BYTES - size), size)
            os.fsync(self._descriptor)

    def note(self, head: Head) -> None:
        """Note a head that is committed. Raises OSError."""
        line = f"riskwarden-head-1 {head.size} {head.checksum}".encode()
        data = b"%s %08x\n" % (line, zlib.crc32(line))
        os.pwrite(self._descriptor, data.ljust(_SLOT_BYTES, b"\0"), self._turn * _SLOT_BYTES)
        self._turn = (self._turn + 1) % _SLOTS

    def sync(self, *, now: bool = False) -> None:
        """Synchronise if that is due. Raises OSError."""
        at = time.monotonic()
        if now or at - self._synced_at >= _SYNC_SECONDS:
            os.fdatasync(self._descriptor)
            self._synced_at = at

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def _decoded(slot: bytes) -> Head | None:
    line, _, crc = slot.rstrip(b"\0").removesuffix(b"\n").rpartition(b" ")
    found = _LINE.fullmatch(line)
    if found is None or crc != b"%08x" % zlib.crc32(line):
        return None
    return Head(int(found[1]), found[2].decode())
