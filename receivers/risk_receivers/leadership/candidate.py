"""Becoming the leader: once the lock is free, or its holder has been silent for too long.

How long is measured by what this process has seen itself, on a clock that nobody sets: neither a
machine's wrong time nor its own having been stopped makes it depose anybody.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from risk_receivers.database.place import Server
from risk_receivers.database.server import ServerConnection
from risk_receivers.leadership import record
from risk_receivers.leadership.leader import Leadership
from risk_receivers.leadership.record import Leader
from risk_receivers.store import server
from risk_receivers.store.errors import StoreBusyError

#: Looks within the time after which a silent leader is deposed.
_LOOKS: Final = 20
#: For how long the writers' turn is waited for at once: a command may be writing.
_TURN_SECONDS: Final = 2.0
_STATEMENT: Final = "SET statement_timeout = '10s'"
_log = logging.getLogger(__name__)


class Candidate:
    """One connection, used by one thread, until it leads.

    Attributes:
        leader: who leads or led last, as of the last look.
    """

    def __init__(
        self,
        place: Server,
        address: str,
        policy_digest: str,
        take_over_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.leader: Leader | None = None
        self.look_seconds: Final = take_over_seconds / _LOOKS
        self._place = place
        self._address = address
        self._policy_digest = policy_digest
        self._take_over_seconds = take_over_seconds
        self._clock = clock
        self._connection: ServerConnection | None = None
        self._looked_at = clock()
        self._silent_seconds = 0.0
        self._has_lock = False

    @property
    def is_led(self) -> bool:
        """Whether somebody leads who gave a sign of life lately."""
        return self.leader is not None and self._silent_seconds < self._take_over_seconds / 2

    def look(self) -> None:
        """See who leads. Raises ServerError, or StoreError for a server that cannot be used."""
        connection = self._connected()
        with self._kept():
            found = record.read(connection)
        now = self._clock()
        # Whoever was stopped meanwhile has not seen that time pass without a sign of life.
        passed = min(now - self._looked_at, 2 * self.look_seconds)
        self._looked_at = now
        self._silent_seconds = 0.0 if found != self.leader else self._silent_seconds + passed
        self.leader = found

    def stand(self, hindrance: Callable[[], str]) -> Leadership | None:
        """Lead, if nobody else does and nothing hinders it. Raises ServerError or StoreError.

        ``hindrance`` is asked only when it is this one's turn.
        """
        connection = self._connected()
        with self._kept():
            self._has_lock = self._has_lock or record.lock(connection)
            is_silent = self._silent_seconds >= self._take_over_seconds
            if not (self._has_lock or is_silent):
                return None
            if hindrance():
                if self._has_lock:
                    record.unlock(connection)
                    self._has_lock = False
                return None
            if not self._has_lock:
                self._depose(connection)
                return None
            try:
                server.take_turn(connection, str(self._place), _TURN_SECONDS)
            except StoreBusyError:
                return None  # somebody is writing still; the lock is kept meanwhile
            term = record.claim(connection, self._address, self._policy_digest)
            server.commit(connection)
            # A sign of life that a crash of the server takes back has been seen all the same.
            connection.run("SET synchronous_commit = off")
        self._connection = None
        leadership = Leadership(self._place, connection, term, self._take_over_seconds)
        leadership.start()
        return leadership

    def close(self) -> None:
        """Stand no more."""
        connection, self._connection, self._has_lock = self._connection, None, False
        if connection is not None:
            connection.close()

    def _depose(self, connection: ServerConnection) -> None:
        if self.leader is not None and (ended := record.end(connection, self.leader)):
            _log.critical(
                "the leader gave no sign of life for %.1f s: its %d connections were ended",
                *(self._silent_seconds, ended),
            )

    def _connected(self) -> ServerConnection:
        if self._connection is None:
            connection = ServerConnection(self._place, read_only=False)
            self._connection = connection
            with self._kept():
                connection.run(_STATEMENT)
                server.require_durable(connection)
        return self._connection

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Whatever goes wrong, the next look is made with another connection."""
        try:
            yield
        except Exception:
            self.close()
            raise
