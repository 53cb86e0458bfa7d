"""Everything that one store holds, written into the empty tables of another database.

State, chain and checkpoints, value by value: what one backend keeps another can keep. Nothing is
left behind: a table or a column that has no place in the other database ends it. Every table is
read back, and has to hold what was put into it. The transactions are the caller's, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, islice, repeat
from typing import Any, Final, TypeVar

from risk_receivers.audit import server_tables, tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import Progress
from risk_receivers.database.connection import Connection
from risk_receivers.database.server import ServerConnection, kept
from risk_receivers.store.errors import StoreError

T = TypeVar("T")
#: Rows in memory at a time; the largest are messages with a report attached.
_STRETCH: Final = 100
_HEADER: Final = ("seq", "header", "checksum")
_PAYLOAD: Final = ("seq", "salt", "payload")
#: The chain, which is read through its reader, and what each backend keeps for itself alone.
_APART: Final = frozenset({"audit_header", "audit_payload", "audit_forgotten", "store_version"})
_MODULUS: Final = 1 << 256

Row = Sequence[Any]


class PouringError(StoreError):
    """What is there is damaged, or not what was put there."""


class OtherVersionError(StoreError):
    """Something has no place in the other database."""


def pour(
    source: Connection,
    rows: Iterable[StoredRow],
    end: Head,
    target: Connection,
    schema: Sequence[str],
    progress: Progress,
) -> None:
    """Write all of it. Raises PouringError, OtherVersionError or one of DATABASE_ERRORS.

    Args:
        rows: the chain's, up to its ``end``, without a gap.
        target: as good as empty; its tables are made here, by the ``schema`` too.
    """
    tables.prepare(target)
    for statement in schema:
        target.execute(statement)
    names = sorted(name for name in tables.names(source) - _APART if not _is_internal(name))
    columns = {name: _columns(source, target, name) for name in names}
    total = end.size + sum(_count(source, name) for name in names)
    done = 0

    def counted(some: Iterable[Row]) -> Iterator[Row]:
        nonlocal done
        for row in some:
            yield row
            done += 1
            if done % _STRETCH == 0:
                progress(done, total)

    _fill_chain(target, counted(rows))
    for name in names:
        _fill(target, name, columns[name], counted(_rows(source, name, columns[name])))
    if isinstance(target, ServerConnection):
        server_tables.count_on(target)
    progress(total, total)


def stored_rows(connection: Connection, end: Head) -> Iterator[StoredRow]:
    """The chain as it stands, up to its end. Raises PouringError at the first that is amiss."""
    expected = 1
    for row in tables.rows(connection) if end.size else ():
        if row.seq != expected or not isinstance(row.header, bytes):
            break
        yield row
        if expected == end.size:
            return
        expected += 1
    if end.size:
        raise PouringError(
            f"record {expected} is missing, changed or not in its place; "
            "riskwarden audit verify tells more"
        )


def _fill_chain(target: Connection, rows: Iterable[Row]) -> None:
    heads, payloads = _Sum(target), _Sum(target)
    for some in _batched(rows):
        heads.insert("audit_header", _HEADER, [row[:3] for row in some])
        # A payload that retention has deleted has no row.
        payloads.insert(
            "audit_payload",
            _PAYLOAD,
            [(row[0], *row[3:]) for row in some if row[3:] != (None, None)],
        )
    heads.compare("audit_header", _HEADER)
    payloads.compare("audit_payload", _PAYLOAD)


def _fill(target: Connection, name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    written = _Sum(target)
    for some in _batched(rows):
        written.insert(name, columns, some)
    written.compare(name, columns)


class _Sum:
    """What was put into a table, as a number that does not depend on the order of its rows."""

    def __init__(self, target: Connection) -> None:
        self._target = target
        self._sum = 0
        # What a server keeps of a value, where that is not the value itself.
        self._kept: Callable[[Any], Any] = (
            kept if isinstance(target, ServerConnection) else lambda value: value
        )

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Put some rows into it."""
        if not rows:
            return
        if isinstance(self._target, ServerConnection):
            self._target.fill(table, _named(columns), rows)
        else:
            marks = ", ".join(repeat("?", len(columns)))
            self._target.executemany(
                f"INSERT INTO {table} ({_named(columns)}) VALUES ({marks})",  # noqa: S608 - ours
                rows,
            )
        self._sum += sum(_number([self._kept(value) for value in row]) for row in rows)

    def compare(self, table: str, columns: Sequence[str]) -> None:
        """Raises PouringError unless it holds that and nothing else."""
        read = sum(_number(row) for row in _rows(self._target, table, columns))
        if (read - self._sum) % _MODULUS:
            raise PouringError(
                f"the table {table} does not hold what was written to it: the disk, or something "
                "that was added to the database, has changed it"
            )


def _number(row: Row) -> int:
    return int.from_bytes(sha256(repr(tuple(row)).encode()).digest())


def _columns(source: Connection, target: Connection, table: str) -> list[str]:
    """The columns of a table, which are the same in both."""
    there, wanted = tables.columns(target, table), tables.columns(source, table)
    if set(there) != set(wanted):
        what = f"column {table}.{min(set(there) ^ set(wanted))}" if there else f"table {table}"
        raise OtherVersionError(
            f"the {what} is not what this version has; start the receivers of this version on that "
            "store once, or use the version that wrote it, and try again"
        )
    return wanted


def _rows(connection: Connection, table: str, columns: Sequence[str]) -> Iterator[Row]:
    """All rows of a table, some in memory at a time. The transaction of a server is open."""
    select = f"SELECT {_named(columns)} FROM {table}"  # noqa: S608 - names from the database
    if not isinstance(connection, ServerConnection):
        yield from connection.execute(select)
        return
    connection.run(f"DECLARE riskwarden_rows NO SCROLL CURSOR FOR {select}")
    fetch = f"FETCH {_STRETCH} FROM riskwarden_rows"
    yield from chain.from_iterable(iter(lambda: connection.run(fetch).fetchall(), []))
    connection.run("CLOSE riskwarden_rows")


def _batched(every: Iterable[T]) -> Iterator[list[T]]:
    left = iter(every)
    return iter(lambda: list(islice(left, _STRETCH)), [])


def _count(connection: Connection, table: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(found[0])


def _named(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _is_internal(table: str) -> bool:
    """Whether SQLite itself made it."""
    return table.startswith("sqlite_")
