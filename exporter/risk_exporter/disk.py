"""How bytes get onto the disk: durably and whole, or cheaply and checked.

A **file** is replaced atomically and survives a loss of power; that takes two waits for the disk.
A **slot** is overwritten in place without waiting, in about a microsecond: it survives the death
of the process at any instant, and after a loss of power it is either whole or known not to be.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final

#: A slot is no longer than a page, so that no signal can interrupt its writing.
_SLOT_BYTES: Final = 4096
_CHECKSUM_DIGITS: Final = 8


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file. Raises OSError; the old one is whole then."""
    staging = path.with_name(f"{path.name}.new")
    with staging.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    staging.replace(path)
    sync_folder(path.parent)


def swap_file(path: Path, content: bytes) -> None:
    """Replace a file without waiting for the disk. Raises OSError.

    The death of the process leaves the old one or the new one, whole; a loss of power may not.
    """
    staging = path.with_name(f"{path.name}.new")
    staging.write_bytes(content)
    staging.replace(path)


def sync_folder(path: Path) -> None:
    """Make names in a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_slot(path: Path, content: bytes) -> None:
    """Overwrite a slot in place. Raises OSError."""
    slot = b"%08x %b" % (zlib.crc32(content), content)
    if len(slot) > _SLOT_BYTES:
        raise ValueError(f"{len(slot)} bytes do not fit into a slot of {_SLOT_BYTES}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(handle, slot.ljust(_SLOT_BYTES), 0)
    finally:
        os.close(handle)


def read_slot(path: Path) -> bytes | None:
    """What a slot holds, or None if it is not whole. Raises OSError."""
    slot = path.read_bytes()
    content = slot[_CHECKSUM_DIGITS + 1 :].rstrip(b" ")
    return content if slot[:_CHECKSUM_DIGITS] == b"%08x" % zlib.crc32(content) else None
