"""Connections to a server that wait to be used again: making one costs more than most questions.

Only readers' are kept, only outside a transaction, and only while the service runs on that place.
One that the server has ended meanwhile is noticed as it is taken, and another is made.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from risk_receivers.database.place import Place, Server

if TYPE_CHECKING:
    import psycopg

#: Workers look one after another, mostly; more than this at once are made and closed.
_MOST: Final = 6
_lock: Final = threading.Lock()
_idle: Final[dict[Server, list[psycopg.Connection[Any]]]] = {}


@contextmanager
def kept_open(place: Place) -> Iterator[None]:
    """Meanwhile, what readers of a server let go of is kept for the next."""
    if not isinstance(place, Server):
        yield
        return
    with _lock:
        _idle.setdefault(place, [])
    try:
        yield
    finally:
        with _lock:
            left = _idle.pop(place, [])
        for connection in left:
            connection.close()


def take(place: Server) -> psycopg.Connection[Any] | None:
    """One that is as good as new, if there is any."""
    while True:
        with _lock:
            waiting = _idle.get(place)
            connection = waiting.pop() if waiting else None
        if connection is None or not _says_something(connection):
            return connection
        connection.close()  # nobody asked, so it is the server's farewell


def give_back(place: Server, connection: psycopg.Connection[Any]) -> None:
    """Keep it for the next, or close it."""
    from psycopg.pq import TransactionStatus

    if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
        with _lock:
            waiting = _idle.get(place)
            if waiting is not None and len(waiting) < _MOST:
                waiting.append(connection)
                return
    connection.close()


def _says_something(connection: psycopg.Connection[Any]) -> bool:
    looking = select.poll()  # unlike select, it takes any number that a descriptor may have
    looking.register(connection.fileno(), select.POLLIN)
    return bool(looking.poll(0))
