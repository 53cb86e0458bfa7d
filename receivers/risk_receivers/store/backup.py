"""A copy of a store that is known to be good, taken while writers write.

It is one SQLite database with everything in it, whatever backend the store is kept in: so it can
be put back into any. A server's own dump would hold neither what was verified nor be readable
without a server.

Invariant: a copy takes its name only when it was read back whole and ends where the store ended
when it was taken.
"""

from __future__ import annotations

import contextlib
import glob
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
from risk_receivers.schema import SCHEMA
from risk_receivers.store import head_file, receipt
from risk_receivers.store.errors import StoreError
from risk_receivers.store.moment import held, is_plain
from risk_receivers.store.pouring import PouringError, pour
from risk_receivers.store.reserve import sync_folder
from risk_receivers.verification import verify_store

#: Pages of one step: a megabyte. Between steps the progress is told.
_PAGES: Final = 256
_CHUNK: Final = 1 << 20
#: What a copy may have beside itself before it has its name.
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal", ".head", ".lock", ".receipt")


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
    _discard_left_over(target)
    staging = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise BackupError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        yield _made(source, staging, copying, verifying)
    finally:
        discard(staging)


def _made(source: Place, staging: Path, copying: Progress, verifying: Progress) -> Copy:
    try:
        head = _copy(source, staging, copying)
        _note(staging, head)
        check(staging, f"the copy of {source}", verifying)
        return Copy(staging, head, digest_of(staging), staging.stat().st_size)
    except (OSError, *DATABASE_ERRORS) as error:
        raise BackupError(f"{source}: cannot be copied to {staging.parent}: {error}") from error
    except PouringError as error:
        raise BackupError(f"{source}: {error}") from error


def publish(copy: Copy, target: Path) -> None:
    """Gives a copy its name, with its head and its receipt beside it. Raises BackupError."""
    is_there = f"{target}: is there already; a backup never replaces one"
    try:
        if target.exists():
            raise BackupError(is_there)
        # What stands beside it first: it never has its name without them.
        for beside in (head_file.path_beside, receipt.path_beside):
            beside(copy.path).replace(beside(target))
        os.link(copy.path, target)  # unlike a rename this never takes another file's place
        sync_folder(target.parent)
    except FileExistsError:
        raise BackupError(is_there) from None
    except OSError as error:
        raise BackupError(f"{target}: cannot be written: {error.strerror}") from error


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
    for suffix in _SIDE_FILES:
        with contextlib.suppress(OSError):
            database.with_name(f"{database.name}{suffix}").unlink()


def _discard_left_over(target: Path) -> None:
    """What a copy of this name has left behind whose process was killed: nobody prunes it."""
    begin, end = f".{target.name}.", ".part"
    for left in target.parent.glob(f"{glob.escape(begin)}*{end}*"):
        process = left.name.removeprefix(begin).partition(end)[0]
        if process.isdigit() and not Path("/proc", process).exists():
            discard(target.with_name(f"{begin}{process}{end}"))


def _copy(source: Place, staging: Path, progress: Progress) -> Head:
    head = (_copy_pages if is_plain(source) else _copy_rows)(source, staging, progress)
    with closing_file(staging) as descriptor:
        os.fsync(descriptor)
    return head


def _copy_pages(source: Place, staging: Path, progress: Progress) -> Head:
    def ask(connection: Connection) -> Head:
        assert isinstance(connection, sqlite3.Connection)
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

    return tables.read(source, ask)


def _copy_rows(source: Place, staging: Path, progress: Progress) -> Head:
    with held(source) as moment, closing(sqlite3.connect(staging, isolation_level=None)) as target:
        chain = tables.chain_of(moment.connection)
        problems = [*chain.problems(), *map(_orphan, tables.orphaned_payloads(moment.connection))]
        if problems:
            raise BackupError(f"{source} does not verify: {problems[0]}")
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF"):  # synchronised at the end
            target.execute(f"PRAGMA {pragma}")
        target.execute("BEGIN")
        pour(moment.connection, moment.rows(), moment.end, target, SCHEMA, progress)
        target.execute("COMMIT")
        return moment.end


def _orphan(seq: int) -> str:
    return f"record {seq}: a payload without a header"


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
