"""The chain's two tables in SQLite: what they are, how they are read, how a row gets in.

Headers are kept for ever, payloads and salts only as long as the policy says, so they live
apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from risk_receivers.audit.chain import EMPTY, Head, Record
from risk_receivers.audit.errors import AuditError, UnreadableDatabaseError
from risk_receivers.audit.record import StoredRow

T = TypeVar("T")

#: ``PRAGMA user_version``; raised by every change that an older version could not read.
SCHEMA_VERSION: Final = 1
#: ``PRAGMA application_id``, "RskW": tells our databases from anybody's.
APPLICATION_ID: Final = 0x52736B57

DEFINITIONS: Final = {
    "audit_header": (
        "CREATE TABLE audit_header("
        "seq INTEGER PRIMARY KEY, header BLOB NOT NULL, checksum BLOB NOT NULL) STRICT"
    ),
    "audit_payload": (
        "CREATE TABLE audit_payload("
        "seq INTEGER PRIMARY KEY REFERENCES audit_header, salt BLOB, payload BLOB) STRICT"
    ),
}

_SELECT: Final = (
    "SELECT h.seq, h.header, h.checksum, p.salt, p.payload"
    " FROM audit_header h LEFT JOIN audit_payload p ON p.seq = h.seq"
)
#: Rows of one read transaction. A long one would keep the writer's log from being reused.
_CHUNK: Final = 500
_ORPHANS_SHOWN: Final = 10


def prepare(connection: sqlite3.Connection) -> None:
    """Creates the tables in an empty database, inside the caller's transaction."""
    if check_version(connection) == 0:
        for statement in DEFINITIONS.values():
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_version(connection: sqlite3.Connection) -> int:
    """The database's schema version, 0 if it is empty. Raises UnreadableDatabaseError."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if version == 0 and application == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            return 0
    if application != APPLICATION_ID:
        raise UnreadableDatabaseError("is a database of another program; name an audit database")
    if version > SCHEMA_VERSION:
        raise UnreadableDatabaseError(
            f"has schema version {version}, this program knows {SCHEMA_VERSION}; "
            "use the newer program that wrote it"
        )
    return version


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Stores a record."""
    connection.execute(
        "INSERT INTO audit_header(seq, header, checksum) VALUES (?, ?, ?)",
        (record.seq, record.header, record.checksum),
    )
    connection.execute(
        "INSERT INTO audit_payload(seq, salt, payload) VALUES (?, ?, ?)",
        (record.seq, record.salt, record.payload),
    )


def head(connection: sqlite3.Connection) -> Head:
    """The head as the last row states it."""
    row = connection.execute(
        "SELECT seq, checksum FROM audit_header ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return EMPTY if row is None else Head(row[0], bytes(row[1]).hex())


def row_at(connection: sqlite3.Connection, seq: int) -> StoredRow | None:
    """One record's row."""
    row = connection.execute(f"{_SELECT} WHERE h.seq = ?", (seq,)).fetchone()
    return None if row is None else StoredRow(*row)


def rows_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[StoredRow]:
    """The first ``limit`` rows beyond a seq, in order."""
    found = connection.execute(
        f"{_SELECT} WHERE h.seq > ? ORDER BY h.seq LIMIT ?", (seq, limit)
    ).fetchall()
    return [StoredRow(*row) for row in found]


def rows(connection: sqlite3.Connection) -> Iterator[StoredRow]:
    """Every row in the order of seq, whatever seq is, a chunk in memory at a time."""
    where = ""
    last: list[object] = []
    while True:
        found = connection.execute(
            f"{_SELECT}{where} ORDER BY h.seq LIMIT {_CHUNK}", last
        ).fetchall()
        for row in found:
            yield StoredRow(*row)
        if len(found) < _CHUNK:
            return
        where, last = " WHERE h.seq > ?", [found[-1][0]]


def count(connection: sqlite3.Connection) -> int:
    """How many records there are."""
    return int(connection.execute("SELECT count(*) FROM audit_header").fetchone()[0])


def orphaned_payloads(connection: sqlite3.Connection) -> list[int]:
    """The first payloads that belong to no header."""
    found = connection.execute(
        "SELECT p.seq FROM audit_payload p LEFT JOIN audit_header h ON h.seq = p.seq"
        " WHERE h.seq IS NULL ORDER BY p.seq LIMIT ?",
        (_ORPHANS_SHOWN,),
    )
    return [row[0] for row in found]


def definition_problems(connection: sqlite3.Connection) -> list[str]:
    """What was changed about the tables themselves: their types, or triggers on them."""
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN (?, ?)", tuple(DEFINITIONS)
    ).fetchall()
    problems = []
    for kind, name, sql in found:
        if kind == "trigger":
            problems.append(f"a trigger {name} was added to the audit tables")
        elif kind != "index" and sql != DEFINITIONS.get(name):
            problems.append(f"the table {name} was not made by this program: its types differ")
    missing = DEFINITIONS.keys() - {name for kind, name, _ in found if kind == "table"}
    problems += [f"the table {name} is missing" for name in sorted(missing)]
    return problems


def open_read_only(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write. Raises UnreadableDatabaseError naming the file.

    With ``immutable`` the file is read as it stands, without looking for a writer: only for a
    database at rest.
    """
    if not path.is_file():
        raise UnreadableDatabaseError(f"{path}: no such file; name an audit database")
    mode = "immutable=1" if immutable else "mode=ro"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        version = check_version(connection)
    except UnreadableDatabaseError as error:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: {error}") from None
    except sqlite3.Error as error:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: cannot be read: {error}") from error
    if version == 0:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: is empty; no chain was ever started in it")
    return connection


def read(path: Path, ask: Callable[[sqlite3.Connection], T]) -> T:
    """What ``ask`` finds in a database, without leaving so much as a file beside it.

    Raises UnreadableDatabaseError naming the file, and what ``ask`` raises.
    """
    stamp = _stamp_at_rest(path)
    if stamp is not None:
        # At rest even a read-only connection would create SQLite's side files, so it is read
        # as immutable, and once more if a writer came along meanwhile.
        with closing(open_read_only(path, immutable=True)) as connection:
            try:
                found = ask(connection)
            except (sqlite3.Error, AuditError):
                if _stamp_at_rest(path) == stamp:
                    raise
            else:
                if _stamp_at_rest(path) == stamp:
                    return found
    with closing(open_read_only(path)) as connection:
        return ask(connection)


def _stamp_at_rest(path: Path) -> tuple[int, int, int] | None:
    """What changes if a database at rest is written to; None if it is not at rest."""
    if path.with_name(f"{path.name}-wal").exists() or not path.exists():
        return None
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)
