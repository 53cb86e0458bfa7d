"""What is asked of a connection to a database; ``sqlite3.Connection`` is one as it stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from risk_receivers.errors import ReceiversError

Parameters = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """What a statement found or did. Rows are tuples."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row; None after the last."""

    def fetchall(self) -> list[Any]:
        """All that are left."""

    def __iter__(self) -> Iterator[Any]:
        """One after another."""


class Connection(Protocol):
    """An open database, used by one thread.

    Each statement is a transaction of its own unless BEGIN was executed.
    """

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN was executed and its transaction is not over."""

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Cursor:
        """Runs one statement. Raises one of DATABASE_ERRORS."""

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> Cursor:
        """Runs one statement with each of several values. Raises one of DATABASE_ERRORS."""

    def close(self) -> None:
        """Lets go of it; an open transaction is undone."""


class ServerError(ReceiversError):
    """A database server refused a statement, or cannot be reached.

    Attributes:
        unreachable: nothing this connection says can be relied upon any more.
        busy: somebody else held what the statement needed, for too long.
    """

    def __init__(self, message: str, *, unreachable: bool = False, busy: bool = False) -> None:
        self.unreachable = unreachable
        self.busy = busy
        super().__init__(message)


#: What a connection and its cursors raise.
DATABASE_ERRORS: Final = (sqlite3.Error, ServerError)
DatabaseError = sqlite3.Error | ServerError


def is_damage(error: BaseException) -> bool:
    """Whether a database says that what it holds cannot be read, rather than that it is busy."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


def is_unreadable(error: BaseException) -> bool:
    """Whether that, in no more particular words, is all that it says."""
    return type(error) is sqlite3.DatabaseError


def is_lost(connection: Connection, error: BaseException) -> bool:
    """Whether an error came of a server that cannot be asked any more, and so says nothing else."""
    if not isinstance(error, ServerError):
        return False
    try:
        connection.execute("SELECT 1").fetchone()
    except DATABASE_ERRORS:
        return True
    return False
