"""The database as a writer holds it: pragmas, lock file, schema, and proof it is still there.

Several processes may write to one database. Each takes the lock file before it begins a
transaction: SQLite's own waiting polls and starves, the lock file's queues.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from risk_receivers.audit import checkpoint_table, retention_records, tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.retained import Missing, Retained
from risk_receivers.audit.verifier import Finding, Verifier
from risk_receivers.database.connection import DATABASE_ERRORS, Connection, ServerError
from risk_receivers.store import head_file
from risk_receivers.store.errors import StoreBusyError, StoreError
from risk_receivers.store.lock_file import LockFile

#: Primary result codes after which nothing that this connection says can be relied upon.
_STORAGE_CODES = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
#: Those of them that end by themselves, or by what is done to the disk and not to the file.
_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
    }
)
_PRIMARY_CODE = 0xFF


class StorageLostError(StoreError):
    """The database is not what it was a moment ago: replaced, deleted, rewritten, unusable."""


class WritableDatabase:
    """An open database and its lock file, used by one thread."""

    def __init__(self, path: Path, *, busy_timeout_seconds: float, name: str = "") -> None:
        """Opens the database and creates its folder. Raises StoreError naming the file."""
        self.path = path
        self.name = name or str(path)
        self._files: tuple[Path, ...] = (
            path,
            path.with_name(f"{path.name}-wal"),
            head_file.path_beside(path),
        )
        self._identities: tuple[tuple[int, int], ...] | None = None
        with _named(self.name), contextlib.ExitStack() as undo:
            _make_folder(path.parent)
            self.connection: Connection
            self._lock = LockFile(path.with_name(f"{path.name}.lock"))
            self._busy_timeout_seconds = busy_timeout_seconds
            undo.callback(self._lock.close)
            # isolation_level None: transactions begin and end where we say.
            self.connection = self._connect(busy_timeout_seconds)
            undo.callback(self.connection.close)
            with self.locked():
                self._set_pragmas()
            self.noted = head_file.read(path)
            self._head_file = head_file.HeadFile(path)
            undo.pop_all()

    def begin(self) -> None:
        """Begins a transaction, while the lock file is held. Raises StoreBusyError."""
        self._begin()

    def _connect(self, busy_timeout_seconds: float) -> Connection:
        return sqlite3.connect(self.path, isolation_level=None, timeout=busy_timeout_seconds)

    def _begin(self) -> None:
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if not _is_busy(error):
                raise
            raise StoreBusyError(
                f"{self.path}: another program holds the database; not recorded, try again"
            ) from error

    def commit(self, head: Head, known: Head) -> None:
        """Makes the transaction durable, and notes its head if it is a new one."""
        self._commit()
        if head != known:
            self.note(head)

    def _commit(self) -> None:
        self.connection.execute("COMMIT")

    def prepare(self, schema: Sequence[str]) -> Head:
        """Creates what is missing and checks the chain's end. Raises StoreError."""
        with _named(self.name), self.locked():
            self.empty_log()
            self._begin()
            try:
                self._make_room()
                tables.prepare(self.connection)
                for statement in schema:
                    self.connection.execute(statement)
                head = self._checked_head()
                self._commit()
            except BaseException:
                self.rollback()
                raise
            self.note(head)
            self._head_file.sync(now=True)
            return head

    def empty_log(self) -> bool:
        """Move all of the write-ahead log into the database; whether that was possible at once.

        Where a synchronisation has failed, the kernel may hold for written what never reached the
        disk, and synchronising again says that all is well. Whoever added to such a log would lose
        all that comes behind the gap when the power goes. What is moved is written anew.
        """
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, _, _) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        finally:
            timeout = round(self._busy_timeout_seconds * 1000)
            self.connection.execute(f"PRAGMA busy_timeout = {timeout}")

    def prove_durable(self, known: Head = EMPTY) -> None:
        """Write something that changes nothing, durably, beside all up to a known head.

        Raises StoreError.
        """
        with _named(self.name), self.locked():
            if not self.empty_log():
                raise StoreBusyError("somebody reads an older state; try again")
            self._begin()
            try:
                self.head_after(known)
                (version,) = self.connection.execute("PRAGMA user_version").fetchone()
                self.connection.execute(f"PRAGMA user_version = {version}")
                self._commit()
            except BaseException:
                self.rollback()
                raise

    def note(self, head: Head) -> None:
        """Note a committed head beside the database, while the lock file is held."""
        try:
            self._head_file.note(head)
        except OSError as error:
            raise StorageLostError(f"the head cannot be noted: {error}") from error

    def tidy(self) -> None:
        """What is due once everybody has been answered."""
        try:
            self._head_file.sync()
        except OSError as error:
            raise StorageLostError(f"the noted head cannot be synchronised: {error}") from error

    def locked(self) -> AbstractContextManager[None]:
        """Holds the lock file, waiting in line for it. Raises StoreBusyError."""
        return self._lock.held(self._busy_timeout_seconds)

    def head_after(self, known: Head) -> Head:
        """The head inside a transaction, which must still contain what this process knows of.

        Raises StorageLostError if records that were durable are gone or different.
        """
        head = tables.head(self.connection)
        if head == known:
            return head
        row = tables.row_at(self.connection, known.size)
        intact = known == EMPTY or (
            row is not None and row.checksum == bytes.fromhex(known.checksum)
        )
        if not intact:
            raise StorageLostError(
                f"record {known.size} is gone or was changed while this process ran; "
                "run the verifier before anything is written again"
            )
        return head

    def tree(self, head: Head) -> Tree:
        """The Merkle tree up to a head that was read from this database."""
        with _named(self.name):
            tree = checkpoint_table.tree(self.connection, head.size)
            tree.extend(tables.checksums(self.connection, tree.size, head.size))
            return tree

    def checksums_between(self, known: Head, head: Head) -> list[bytes]:
        """The checksums of what another process has added; inside a transaction."""
        if head.size == known.size:
            return []
        return list(tables.checksums(self.connection, known.size, head.size))

    def confirm_place(self) -> None:
        """Raises StorageLostError if what was written has no name in the file system any more."""
        try:
            statuses = [file.stat() for file in self._files]
        except OSError as error:
            raise StorageLostError(f"the file is gone: {error}") from error
        found = tuple((status.st_dev, status.st_ino) for status in statuses)
        if self._identities is None:
            self._identities = found
        elif found != self._identities:
            raise StorageLostError("the file was replaced while this process ran")

    def rollback(self) -> None:
        """Undoes an open transaction; one that SQLite has already ended is left alone."""
        if self.connection.in_transaction:
            with contextlib.suppress(*DATABASE_ERRORS):
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Lets go of the database and the lock."""
        with contextlib.suppress(*DATABASE_ERRORS):
            self.connection.close()
        with contextlib.suppress(OSError):
            self._head_file.sync(now=True)
        self._head_file.close()
        self._lock.close()

    def _make_room(self) -> None:
        """Whatever the tables are made in, within the transaction."""

    def _set_pragmas(self) -> None:
        mode = self.connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"needs SQLite's WAL mode and got {mode}; use a local file system")
        # temp_store: what a work's savepoint would put back. It serves this process alone, and as a
        # temporary file it took some twenty writes for each work.
        pragmas = ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
        for pragma in (*pragmas, "temp_store = MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}")

    def _checked_head(self) -> Head:
        head = tables.head(self.connection)
        problem = _head_problem(self.connection, head) if head != EMPTY else None
        if problem:
            raise StoreError(
                f"the audit chain's end is damaged, nothing can be added to it ({problem}); "
                "run the verifier, then restore a verified backup"
            )
        # Read again under the lock: another process may have written since.
        noted = head_file.read(self.path)
        if noted is not None and noted != EMPTY:
            self._require(noted, head.size)
        return head

    def _require(self, noted: Head, size: int) -> None:
        row = tables.row_at(self.connection, noted.size)
        if row is not None and row.checksum == bytes.fromhex(noted.checksum):
            return
        file = head_file.path_beside(self.path)
        raise StoreError(
            f"the audit chain ends at {size} and does not hold what {file.name} noted, a record "
            f"{noted.size} with checksum {noted.checksum}: records were lost, as when the "
            "write-ahead log is deleted, or rewritten. Run the verifier and restore a verified "
            f"backup; to go on without what is lost, move {file.name} away, and with it what the "
            "signer has signed last (signing.key.state), or nothing is signed any more; keep both "
            "files, for they prove what was there"
        )


def is_storage_failure(error: BaseException) -> bool:
    """Whether the disk, the file, memory or the server is at fault rather than a statement."""
    if isinstance(error, ServerError):
        return error.unreachable
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and (
        code is not None and code & _PRIMARY_CODE in _STORAGE_CODES
    )


def may_pass(error: BaseException) -> bool:
    """Whether what stopped a writer can end without anybody touching what is recorded.

    A disk that was full, read-only or away can come back as it was. A file that holds something
    else than was written needs a person.
    """
    if isinstance(error, StorageLostError):
        return isinstance(error.__cause__, OSError)
    if isinstance(error, OSError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and (
        code is not None and code & _PRIMARY_CODE in _PASSING_CODES
    )


def _is_busy(error: BaseException) -> bool:
    """Whether another program holds the database."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE == sqlite3.SQLITE_BUSY


def _head_problem(connection: Connection, head: Head) -> Finding | None:
    """What is wrong with the last record and its link to the one before, if anything."""
    if head.size < 1:
        return Finding(head.size, "cannot be; records are numbered from 1")
    start = max(head.size - 2, 0)
    # What deleted the one before the last can only be the last.
    retained = retention_records.read(connection, Retained(through=start))
    verifier = Verifier(start=Head(start, "") if start else EMPTY, missing=Missing(retained))
    for seq in range(max(1, head.size - 1), head.size + 1):
        row = tables.row_at(connection, seq)
        if row is None:
            return Finding(seq, "is missing")
        verifier.add(row)
    problems = verifier.finish().problems
    return problems[0] if problems else None


def _make_folder(folder: Path) -> None:
    """Creates a folder so that a crash cannot take it, and what is in it, away again."""
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, parent in enumerate(missing) if parent.is_dir())]
    for created in reversed(missing):
        created.mkdir(exist_ok=True)
        above = os.open(created.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(above)
        finally:
            os.close(above)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turns what goes wrong inside into StoreError with the file's name in front."""
    try:
        yield
    except (AuditError, StoreError, *DATABASE_ERRORS, sqlite3.Warning, OSError) as error:
        raise StoreError(f"{name}: {error}") from error
