"""Whether a store that could not be written can be again, found out before anybody relies on it.

It is opened as every start opens it, so records that were acknowledged and are gone are noticed,
and what a failed synchronisation may have left undone is written anew. Then something is written,
durably. Whoever finds nothing against it has changed nothing that is on record.

What was acknowledged last, only the process itself knows for certain: the head that is noted
beside the store lies on the same disk, and is synchronised a moment later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.store.errors import StoreError
from risk_receivers.store.opening import open_writable

#: What a start and the first moments after it need at most. With less, it would fail again at once.
_ROOM_BYTES: Final = 4 << 20
_ROOM: Final = "room.probe"
_BUSY_SECONDS: Final = 1.0


def require_mended(place: Place, data: Path, known: Head = EMPTY) -> None:
    """Raises StoreError that says why nothing can be recorded, in the store or in the folder.

    ``known`` is the last head that was acknowledged, which it still has to hold.
    """
    require_room(place, data)
    if isinstance(place, Server):
        return  # it is asked by who leads
    path = path_of(place)
    with _readable(path):
        is_there = path.is_file()
    if not is_there:  # opening it would make a new one
        raise StoreError(f"{path}: the file is gone")
    database = open_writable(place, busy_timeout_seconds=_BUSY_SECONDS)
    try:
        database.prepare(())
        database.prove_durable(known)
    finally:
        database.close()


def require_room(place: Place, data: Path) -> None:
    """Raises StoreError unless both folders on this machine can be written; no store is asked."""
    for folder in dict.fromkeys((data, path_of(place).parent)):
        with _readable(folder):
            is_there = folder.is_dir()
        if is_there:  # else it is made at the first start
            _require_room(folder)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A disk that is failing does not even say what is there."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _require_room(folder: Path) -> None:
    probe = folder / _ROOM
    try:
        found = os.statvfs(folder)
        if found.f_bavail * found.f_frsize < _ROOM_BYTES:  # nobody else is to lack it meanwhile
            raise StoreError(f"{folder}: has no room for {_ROOM_BYTES >> 20} MiB")
        with probe.open("wb", buffering=0) as stream:
            try:
                stream.write(bytes(_ROOM_BYTES))
                os.fsync(stream.fileno())
                written = stream.tell()
            finally:
                probe.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error}") from error
    if written != _ROOM_BYTES:
        raise StoreError(f"{folder}: has no room for {_ROOM_BYTES >> 20} MiB")
