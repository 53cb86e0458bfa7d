"""A connection to a PostgreSQL server that takes statements as a SQLite one does.

Everything lives in a schema of its own, so that other programs' tables in the same database are
nobody's concern. No message of an error holds what the connection was made with.

psycopg is imported where it is used, by those who have a server: it takes eight megabytes, and two
of three stores need none of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from risk_receivers.database import idle
from risk_receivers.database.connection import Parameters, ServerError
from risk_receivers.database.dialect import translate
from risk_receivers.database.place import Server

if TYPE_CHECKING:
    import psycopg

#: Where the tables are.
SCHEMA: Final = "riskwarden"
#: Beyond these a server that does not answer is one that is not there.
_CONNECT_SECONDS: Final = 5
_SILENT_MILLISECONDS: Final = 10_000
_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": _SILENT_MILLISECONDS,
    "keepalives_idle": _CONNECT_SECONDS,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
#: As what every connection of this process is known to the server: another process that takes over
#: from it ends them all.
PROCESS: Final = f"riskwarden {secrets.token_hex(8)}"
_SESSION: Final = (
    f"SET search_path = {SCHEMA}; SET client_encoding = 'UTF8'; "
    "SET default_transaction_read_only = {read_only}; "
    "SET default_transaction_isolation = '{isolation}'"
)
#: Classes of SQLSTATE after which nothing this connection says can be relied upon: connection,
#: resources (disk, memory), shutdown, system, configuration, internal error and corruption.
_LOST: Final = ("08", "53", "57P", "58", "F0", "XX")
#: A lock that was not to be had in time, and a statement that took too long.
_BUSY: Final = ("55P03",)
#: What PostgreSQL cannot keep in text, and what is kept in its place.
_NUL: Final = "\0"
_NUL_SHOWN: Final = "␀"


def dsn_problem(dsn: str) -> str:
    """What is wrong with a connection string, without a word of it; empty if nothing is."""
    import psycopg
    from psycopg import conninfo

    try:
        found = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return "is no connection string of libpq, such as host=… dbname=… user=… or postgresql://…"
    return "" if found.get("dbname") else "names no database; add dbname="


class ServerCursor:
    """What a statement found or did."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        """How many rows it changed or found."""
        return self._cursor.rowcount

    @property
    def said(self) -> str:
        """What the server says that it did."""
        return self._cursor.statusmessage or ""

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """All that are left."""
        return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        """One after another."""
        return iter(self._cursor.fetchall())


class ServerConnection:
    """An open connection, used by one thread."""

    def __init__(self, place: Server, *, read_only: bool) -> None:
        """Connects. Raises ServerError, which names neither password nor DSN."""
        import psycopg
        from psycopg import conninfo

        self._place = place if read_only else None
        self._is_closed = False
        if read_only and (waiting := idle.take(place)) is not None:
            self._raw = waiting
            return
        if problem := dsn_problem(place.dsn):
            raise ServerError(f"its DSN {problem}")
        given = {**_DEFAULTS, **conninfo.conninfo_to_dict(place.dsn)}
        given["application_name"] = PROCESS
        try:
            self._raw = psycopg.connect(
                conninfo.make_conninfo("", **given),
                autocommit=True,
                cursor_factory=psycopg.RawCursor,
            )
        except psycopg.Error as error:
            raise _told(error, unreachable=True) from None
        try:
            self.run(
                _SESSION.format(
                    read_only="on" if read_only else "off",
                    # A reader that asks twice within a transaction gets one answer; the writer
                    # sees what was committed before its turn came.
                    isolation="repeatable read" if read_only else "read committed",
                )
            )
        except ServerError:
            self.close()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it one that has failed."""
        from psycopg.pq import TransactionStatus

        return self._raw.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,
        )

    def execute(self, sql: str, parameters: Parameters = (), /) -> ServerCursor:
        """Runs one statement. Raises ServerError."""
        import psycopg

        translated = translate(sql)
        # By number of a sequence, by name of a mapping: the statement decides, not the type.
        values = [kept(parameters[place]) for place in translated.places]  # type: ignore[index]
        try:
            cursor = self._raw.cursor()  # refused by a connection that was lost before
            cursor.execute(translated.sql.encode(), values or None)
        except psycopg.Error as error:
            raise _told(error, unreachable=self._raw.closed) from error
        return ServerCursor(cursor)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> ServerCursor:
        """Runs one statement with each of several values. Raises ServerError."""
        import psycopg

        translated = translate(sql)
        rows = [[kept(row[int(place)]) for place in translated.places] for row in parameters]
        try:
            cursor = self._raw.cursor()
            cursor.executemany(translated.sql.encode(), rows)
        except psycopg.Error as error:
            raise _told(error, unreachable=self._raw.closed) from error
        return ServerCursor(cursor)

    def fill(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Puts rows into a table, as fast as the server takes them. Raises ServerError."""
        import psycopg

        try:
            cursor = self._raw.cursor()
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row([kept(value) for value in row])
        except psycopg.Error as error:
            raise _told(error, unreachable=self._raw.closed) from error

    def run(self, sql: str) -> ServerCursor:
        """Runs statements of PostgreSQL's own, as they are written. Raises ServerError."""
        import psycopg

        try:
            cursor = self._raw.cursor()
            cursor.execute(sql.encode())
        except psycopg.Error as error:
            raise _told(error, unreachable=self._raw.closed) from error
        return ServerCursor(cursor)

    def close(self) -> None:
        """Lets go of it; an open transaction is undone."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._place is None:
            self._raw.close()
        else:
            idle.give_back(self._place, self._raw)


def kept(value: Any) -> Any:
    """A value as PostgreSQL keeps it: truths are numbers, and text holds no NUL."""
    if type(value) is bool:
        return int(value)
    if type(value) is str and _NUL in value:
        return value.replace(_NUL, _NUL_SHOWN)
    return value


def _told(error: psycopg.Error, *, unreachable: bool) -> ServerError:
    code = error.sqlstate or ""
    return ServerError(
        " ".join(str(error).split()),
        unreachable=unreachable or code.startswith(_LOST),
        busy=code in _BUSY,
    )
