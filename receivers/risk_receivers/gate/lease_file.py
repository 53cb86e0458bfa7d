"""The lease file, mapped: made good where it is damaged, and closed whatever it said."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

from risk_policy.contracts import gate as contract

#: The runtime only reads, and may be another user: one of the folder's group.
FILE_MODE: Final = 0o640


class LeaseFile:
    """One mapping of the file, for its one writer.

    Attributes:
        words: what is shared with the readers.
        found_halted: whether it said HALT when it was mapped: somebody decided that.
        version: the version it holds.
    """

    def __init__(self, folder: Path, *, longest_ns: int, version: int, halted: bool) -> None:
        """Map it, closed. Keeps inode and version, so readers stay attached. Raises OSError."""
        self._path = folder / contract.LEASE_FILE
        if not self._path.exists() or self._path.stat().st_size != contract.SIZE:
            staging = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            staging.write_bytes(bytes(contract.SIZE))
            staging.chmod(FILE_MODE)
            staging.replace(self._path)
        with self._path.open("r+b") as stream:
            status = os.fstat(stream.fileno())
            self._mapping = mmap.mmap(stream.fileno(), contract.SIZE)
        self._identity = (status.st_dev, status.st_ino)
        view = memoryview(self._mapping)
        self.words = view.cast("Q")
        known = bytes(view[16:24]) == contract.MAGIC
        self.found_halted = known and self.words[contract.LEASE_WORD] == contract.HALT
        # Closed either way; HALT stands for a decision, and that is not ours to make or to undo.
        lease = contract.HALT if halted or self.found_halted else contract.now_ns()
        self.words[contract.LEASE_WORD] = lease
        self.version = max(version, self.words[contract.VERSION_WORD]) if known else version
        view[:] = contract.encode(
            lease_ns=lease, version=self.version, longest_ns=longest_ns, boot=contract.boot_id()
        )

    @property
    def is_in_place(self) -> bool:
        """Whether a reader that comes now finds this very file, whole."""
        return self._named_size == contract.SIZE

    @property
    def may_be_touched(self) -> bool:
        """Whether there are bytes behind the mapping; without, touching it ends the process."""
        return self._named_size in (None, contract.SIZE)

    @property
    def _named_size(self) -> int | None:
        """How long the mapped file is; None if it does not stand under its name any more."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_size if (status.st_dev, status.st_ino) == self._identity else None

    def close(self) -> None:
        """Let go of it."""
        self.words.release()
        self._mapping.close()
