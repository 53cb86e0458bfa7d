"""Files whose space was taken in advance: a full disk cannot refuse what is written to them.

They are filled once, byte by byte, and from then on only overwritten in place, through memory:
that needs no new block, no larger file and no free descriptor. (A file system that copies on
write may still ask for space; msync says so.)
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make names that were added to a folder, or taken from it, durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure(path: Path, size: int) -> None:
    """Have a file of this size; what it holds already is kept. Raises OSError."""
    held = path.read_bytes() if path.exists() else b""
    if len(held) == size:
        return
    filled(path.with_name(f"{path.name}.new"), size, held).replace(path)
    sync_folder(path.parent)


def filled(path: Path, size: int, held: bytes = b"") -> Path:
    """A new file, each byte of which has its place on the disk. Raises OSError."""
    with path.open("wb") as stream:
        stream.write(held[:size].ljust(size, b"\0"))
        stream.flush()
        os.fsync(stream.fileno())
    return path


class Reserved:
    """A file held open and mapped."""

    def __init__(self, path: Path) -> None:
        """Map the whole file. Raises OSError, or ValueError if it is empty."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._mapping = mmap.mmap(self._descriptor, 0)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __len__(self) -> int:
        """How much it holds."""
        return len(self._mapping)

    def read(self, begin: int, size: int) -> bytes:
        """What stands there."""
        return self._mapping[begin : begin + size]

    def show(self, begin: int, data: bytes) -> None:
        """Overwrite, for whoever reads the file; no disk is waited for.

        Raises OSError, also if the file has lost its name or its size.
        """
        self._confirm()
        self._mapping[begin : begin + len(data)] = data

    def write(self, begin: int, data: bytes) -> None:
        """Overwrite, durably. Raises what :meth:`show` does."""
        self.show(begin, data)
        self._mapping.flush()

    def close(self) -> None:
        """Let go of it."""
        self._mapping.close()
        os.close(self._descriptor)

    def _confirm(self) -> None:
        mapped, named = os.fstat(self._descriptor), self._path.stat()
        if (mapped.st_dev, mapped.st_ino) != (named.st_dev, named.st_ino):
            raise FileNotFoundError(f"{self._path} was replaced")
        if mapped.st_size != len(self._mapping):  # touching what was cut off would end the process
            raise OSError(f"{self._path} has changed its size")
