"""The chain's tables: what they are, how they are read, how a row gets in.

Headers are kept for ever, payloads and salts only as long as the policy says, so they live
apart.

Whoever reads the chain asks the functions here, with whatever connection it has: a backend that
keeps the chain elsewhere than in these tables has connections that say where (``HoldsChain``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from risk_receivers.audit import server_tables
from risk_receivers.audit.chain import Head, Record
from risk_receivers.audit.errors import AuditError, UnreadableDatabaseError
from risk_receivers.audit.reader import ChainReader
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.segmented import SegmentedConnection
from risk_receivers.audit.segments import Segments
from risk_receivers.audit.table_chain import DEFINITIONS, MAY_BE_MISSING, TableChain
from risk_receivers.database.connection import DATABASE_ERRORS, Connection, ServerError
from risk_receivers.database.place import Place, Server, path_of, segments_of
from risk_receivers.database.server import ServerConnection

T = TypeVar("T")

#: ``PRAGMA user_version``; raised by every change that an older version could not read.
SCHEMA_VERSION: Final = 1
#: ``PRAGMA application_id``, "RskW": tells our databases from anybody's.
APPLICATION_ID: Final = 0x52736B57

_CHECKSUMS: Final = 5000
_ORPHANS_SHOWN: Final = 10
_TABLE_INFO: Final = "SELECT name FROM pragma_table_info(?) ORDER BY cid"


def prepare(connection: Connection) -> None:
    """Creates the tables that are not there yet, inside the caller's transaction."""
    is_new = check_version(connection) == 0
    for name, statement in DEFINITIONS.items():
        if is_new or name in MAY_BE_MISSING:
            connection.execute(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
    if not is_new:
        return
    if isinstance(connection, ServerConnection):
        server_tables.note_version(connection, SCHEMA_VERSION)
    else:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_version(connection: Connection) -> int:
    """The database's schema version, 0 if it is empty. Raises UnreadableDatabaseError."""
    if isinstance(connection, ServerConnection):
        return server_tables.check_version(connection, SCHEMA_VERSION)
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


def insert(connection: Connection, record: Record) -> None:
    """Stores a record."""
    connection.execute(
        "INSERT INTO audit_header(seq, header, checksum) VALUES (?, ?, ?)",
        (record.seq, record.header, record.checksum),
    )
    connection.execute(
        "INSERT INTO audit_payload(seq, salt, payload) VALUES (?, ?, ?)",
        (record.seq, record.salt, record.payload),
    )


@runtime_checkable
class HoldsChain(Protocol):
    """A connection whose chain is not, or not only, in its tables."""

    @property
    def chain(self) -> ChainReader:
        """The chain."""


def chain_of(connection: Connection) -> ChainReader:
    """The chain that a connection sees."""
    if type(connection) is sqlite3.Connection:  # each commit asks, and a protocol answers slowly
        return TableChain(connection)
    return connection.chain if isinstance(connection, HoldsChain) else TableChain(connection)


def head(connection: Connection) -> Head:
    """The head as the last row states it."""
    return chain_of(connection).head()


def row_at(connection: Connection, seq: int) -> StoredRow | None:
    """One record's row."""
    return chain_of(connection).row_at(seq)


def rows_after(connection: Connection, seq: int, limit: int) -> list[StoredRow]:
    """The first ``limit`` rows beyond a seq, in order."""
    return chain_of(connection).rows_after(seq, limit)


def rows_before(connection: Connection, seq: int, limit: int) -> list[StoredRow]:
    """The last ``limit`` rows in front of a seq, in order."""
    return chain_of(connection).rows_before(seq, limit)


def rows(connection: Connection) -> Iterator[StoredRow]:
    """Every row in the order of seq, whatever seq is, a chunk in memory at a time."""
    return chain_of(connection).rows()


def rows_beginning(connection: Connection, prefix: bytes) -> Iterator[StoredRow]:
    """Rows whose header begins like this, in order; every header is looked at."""
    return chain_of(connection).rows_beginning(prefix)


def checksums(connection: Connection, after: int, upto: int) -> Iterator[bytes]:
    """The stored checksums of the records beyond ``after``, up to and with ``upto``, in order.

    One that is none is empty: it leads to a root that no checkpoint has.
    """
    chain = chain_of(connection)
    while after < upto:
        limit = min(_CHECKSUMS, upto - after)
        if isinstance(chain, TableChain):
            found = chain.checksums_after(after, limit)
        else:
            found = [row.checksum for row in chain.rows_after(after, limit)]
        for checksum in found:
            yield checksum if isinstance(checksum, bytes) else b""
        if len(found) < limit:
            return
        after += limit


def stretches_beginning(
    connection: Connection, prefixes: Sequence[bytes], after: int
) -> Iterator[list[StoredRow]]:
    """Rows beyond a seq whose headers begin with one of the prefixes, stretch by stretch.

    The last row of all comes with its stretch, whatever it is: so far was read.
    """
    return chain_of(connection).stretches_beginning(prefixes, after)


def present(connection: Connection, after: int, until: int, limit: int) -> list[tuple[int, bytes]]:
    """Records from beyond a seq up to another whose payloads are there: numbers and headers."""
    return chain_of(connection).present(after, until, limit)


def delete_payloads(connection: Connection, seqs: Sequence[int]) -> int:
    """Delete payloads and salts; how many there still were."""
    return chain_of(connection).forget(seqs)


def count(connection: Connection) -> int:
    """How many records there are."""
    return chain_of(connection).count()


def undecoded(connection: Connection) -> None:
    """From now on text that cannot be decoded reaches the reader instead of ending the reading."""
    if isinstance(connection, sqlite3.Connection):
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def names(connection: Connection) -> set[str]:
    """The tables there are."""
    if isinstance(connection, ServerConnection):
        return server_tables.names(connection)
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in found}


def columns(connection: Connection, table: str) -> list[str]:
    """A table's columns, in order; none if there is no such table."""
    if isinstance(connection, ServerConnection):
        return server_tables.columns(connection, table)
    return [name for (name,) in connection.execute(_TABLE_INFO, (table,))]


def orphaned_payloads(connection: Connection) -> list[int]:
    """The first payloads that belong to no header."""
    found = connection.execute(
        "SELECT p.seq FROM audit_payload p LEFT JOIN audit_header h ON h.seq = p.seq"
        " WHERE h.seq IS NULL ORDER BY p.seq LIMIT ?",
        (_ORPHANS_SHOWN,),
    )
    return [row[0] for row in found]


def open_read_only(place: Place, *, immutable: bool = False, untouched: bool = False) -> Connection:
    """A connection that cannot write. Raises UnreadableDatabaseError naming the file.

    With ``immutable`` the file is read as it stands, without looking for a writer: only for a
    database at rest. With ``untouched`` not even the index that readers and writers share is marked
    with what is read.
    """
    if isinstance(place, Server):
        return _open_server(place)
    path = path_of(place)
    if not path.is_file():
        raise UnreadableDatabaseError(f"{path}: no such file; name an audit database")
    mode = "immutable=1" if immutable else f"mode=ro{'&readonly_shm=1' if untouched else ''}"
    name = f"{path.resolve().as_uri()}?{mode}"
    folder = segments_of(path)
    connection: sqlite3.Connection
    if folder.is_dir():
        connection = sqlite3.connect(
            name, uri=True, isolation_level=None, factory=SegmentedConnection
        )
        connection.staged, connection.segments = TableChain(connection), Segments(folder)
    else:
        connection = sqlite3.connect(name, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        version = check_version(connection)
    except UnreadableDatabaseError as error:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: {error}") from None
    except DATABASE_ERRORS as error:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: cannot be read: {error}") from error
    if version == 0:
        connection.close()
        raise UnreadableDatabaseError(f"{path}: is empty; no chain was ever started in it")
    return connection


def _open_server(place: Server) -> Connection:
    connection: ServerConnection | None = None
    try:
        connection = ServerConnection(place, read_only=True)
        version = check_version(connection)
    except (UnreadableDatabaseError, ServerError) as error:
        if connection is not None:
            connection.close()
        raise UnreadableDatabaseError(f"{place}: {error}") from None
    if version == 0:
        connection.close()
        raise UnreadableDatabaseError(f"{place}: is empty; no chain was ever started in it")
    return connection


def read(place: Place, ask: Callable[[Connection], T]) -> T:
    """What ``ask`` finds in a database, without leaving so much as a file beside it.

    Raises UnreadableDatabaseError naming the file, and what ``ask`` raises.
    """
    if isinstance(place, Server):
        with closing(open_read_only(place)) as connection:
            return ask(connection)
    path = path_of(place)
    try:
        return _read(path, ask)
    except OSError as error:
        if str(segments_of(path)) not in str(error.filename):
            raise
        raise UnreadableDatabaseError(f"{path}: its segments cannot be read: {error}") from error


def _read(path: Path, ask: Callable[[Connection], T]) -> T:
    stamp = _stamp_at_rest(path)
    if stamp is not None:
        # At rest even a read-only connection would create SQLite's side files, so it is read
        # as immutable, and once more if a writer came along meanwhile.
        with closing(open_read_only(path, immutable=True)) as connection:
            try:
                found = ask(connection)
            except (*DATABASE_ERRORS, AuditError):
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
