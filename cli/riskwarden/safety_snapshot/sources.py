"""What was read from where, and how old it was. Files are opened for reading alone."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from risk_policy.contracts.safety_snapshot_parts import Source, SourceState

#: No file that is read whole here comes near it; one that does is something else.
_MOST_BYTES: Final = 32 * 2**20
#: What stands for the place of a record that a server keeps: how it is reached is a secret.
DATABASE_SERVER: Final = "the PostgreSQL database of the policy"


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read."""

    data: bytes
    written_at: datetime

    @property
    def digest(self) -> str:
        """SHA-256."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True)
class Sources:
    """Collects them."""

    clock: Callable[[], datetime]
    found: list[Source] = field(default_factory=list)

    def read(self, name: str, where: Path | str, as_of: datetime | None, note: str = "") -> None:
        """Something was read."""
        self._add(name, where, SourceState.READ, as_of, note)

    def absent(self, name: str, where: Path | str, note: str = "") -> None:
        """It is not there."""
        self._add(name, where, SourceState.ABSENT, None, note)

    def unreadable(self, name: str, where: Path | str, note: str) -> None:
        """It is there, and of no use."""
        self._add(name, where, SourceState.UNREADABLE, None, note)

    def not_asked(self, name: str, where: Path | str, note: str) -> None:
        """Nobody looked."""
        self._add(name, where, SourceState.NOT_ASKED, None, note)

    def age(self, as_of: datetime) -> float:
        """How old something is, in seconds; never negative."""
        return max(0.0, round((self.clock() - as_of).total_seconds(), 3))

    def file(self, name: str, path: Path) -> Content | None:
        """A file's content; None, and why is noted, if there is none to be had."""
        try:
            content = content_of(path)
        except FileNotFoundError:
            self.absent(name, path)
        except (OSError, ValueError) as error:
            self.unreadable(name, path, reason_of(error))
        else:
            self.read(name, path, content.written_at)
            return content
        return None

    def _add(
        self, name: str, where: Path | str, state: SourceState, as_of: datetime | None, note: str
    ) -> None:
        age = None if as_of is None else self.age(as_of)
        self.found.append(
            Source(
                name=name, where=str(where), state=state, as_of=as_of, age_seconds=age, note=note
            )
        )


def content_of(path: Path) -> Content:
    """What a regular file holds. Raises OSError; a pipe in its place is not waited for."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if status.st_size > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {_MOST_BYTES >> 20} MiB")
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(_MOST_BYTES)
    finally:
        os.close(descriptor)
    return Content(data, datetime.fromtimestamp(status.st_mtime, UTC))


def reason_of(error: Exception) -> str:
    """Why something could not be read; never what it holds."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
