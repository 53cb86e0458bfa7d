"""A copy of a store that is known to be good, taken while writers write, and put back again.

Invariants: a copy takes its name only when it was read back whole and ends where the store ended
when it was taken. What stands in the way of a restored one is moved aside, never deleted, and the
restored store says itself that it was restored, and from what, before it is in anybody's place.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.verify import Progress
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place
from risk_receivers.store import head_file
from risk_receivers.store.errors import StoreError
from risk_receivers.store.reserve import sync_folder
from risk_receivers.verification import verify_store

#: Pages of one step: a megabyte. Between steps the progress is told.
_PAGES: Final = 256
_CHUNK: Final = 1 << 20
#: What belongs to a database beside itself.
SIDE_FILES: Final = ("-wal", "-shm", ".head")


class BackupError(StoreError):
    """A copy was not made, or is not to be relied upon."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A verified copy that does not have its name yet.

    Attributes:
        head: where its chain ends.
        digest: SHA-256 of the file, in hexadecimal digits.
    """

    path: Path
    head: Head
    digest: str
    size: int


@contextmanager
def copied(
    source: Place, target: Path, *, copying: Progress, verifying: Progress
) -> Iterator[Copy]:
    """A verified copy beside its later place; gone again unless it was published.

    Raises BackupError.
    """
    staging = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise BackupError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        head = _copy(source, staging, copying)
        _note(staging, head)
        check(staging, f"the copy of {source}", verifying)
        yield Copy(staging, head, digest_of(staging), staging.stat().st_size)
    except (OSError, *DATABASE_ERRORS) as error:
        raise BackupError(f"{source}: cannot be copied to {target}: {error}") from error
    finally:
        discard(staging)


def publish(copy: Copy, target: Path) -> None:
    """Gives a copy its name, with the head that is noted beside it. Raises BackupError."""
    try:
        os.link(copy.path, target)  # unlike a rename this never takes another file's place
    except FileExistsError:
        raise BackupError(f"{target}: is there already; a backup never replaces one") from None
    except OSError as error:
        raise BackupError(f"{target}: cannot be written: {error.strerror}") from error
    head_file.path_beside(copy.path).replace(head_file.path_beside(target))
    sync_folder(target.parent)


def check(database: Path, what: str, progress: Progress) -> Head:
    """Verify a database at rest; where it ends. Raises BackupError naming what is wrong."""
    found = verify_store(database, progress=progress)
    if not found.ok:
        raise BackupError(f"{what} does not verify: {found.problems[0]}")
    return found.head


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def discard(database: Path) -> None:
    """Delete a database that never got its name, and what belongs to it."""
    for suffix in ("", *SIDE_FILES, ".lock"):
        with contextlib.suppress(OSError):
            database.with_name(f"{database.name}{suffix}").unlink()


def move_aside(database: Path, suffix: str) -> Path | None:
    """Move a database and what belongs to it out of the way; where it is now. Raises OSError."""
    moved = None
    # The side files first: a database that met another's log would take it for its own.
    for side in (*SIDE_FILES, ""):
        file = database.with_name(f"{database.name}{side}")
        if file.exists():
            moved = database.with_name(f"{database.name}.{suffix}")
            file.rename(moved.with_name(f"{moved.name}{side}"))
    return moved


def take_place(staging: Path, database: Path) -> None:
    """Let a restored database, at rest, take its place. Raises OSError."""
    head_file.path_beside(staging).replace(head_file.path_beside(database))
    staging.replace(database)
    sync_folder(database.parent)


def _copy(source: Place, staging: Path, progress: Progress) -> Head:
    def ask(connection: Connection) -> Head:
        if not isinstance(connection, sqlite3.Connection) or isinstance(
            connection, tables.HoldsChain
        ):
            raise BackupError(
                f"{source}: its chain is not in the database alone; see docs/backup.md for what to "
                "copy with this storage backend"
            )
        # One view of the store for all steps: without it, every commit meanwhile would begin the
        # copy anew. Writers go on; only their log is not reused until this ends.
        connection.execute("BEGIN")
        head = tables.head(connection)
        with closing(sqlite3.connect(staging)) as target:
            connection.backup(target, pages=_PAGES, progress=_told(progress))
            # At rest, in one file: nobody has to know that there was a log.
            target.execute("PRAGMA journal_mode = DELETE")
        connection.execute("COMMIT")
        return head

    head = tables.read(source, ask)
    with closing_file(staging) as descriptor:
        os.fsync(descriptor)
    return head


@contextmanager
def closing_file(path: Path) -> Iterator[int]:
    """A file's descriptor."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _told(progress: Progress) -> Callable[[int, int, int], None]:
    return lambda _status, remaining, total: progress(total - remaining, total)


def _note(database: Path, head: Head) -> None:
    noted = head_file.HeadFile(database)
    try:
        noted.note(head)
        noted.sync(now=True)
    finally:
        noted.close()
