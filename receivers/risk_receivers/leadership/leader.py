"""To lead, and to know that one still does.

Fails closed: what cannot be proven counts as lost. While the last proof is too old the gate's lease
is not renewed, and what a former leader would write is refused by the database itself, whatever it
believes (:mod:`risk_receivers.leadership.record`). So a process that was stopped and goes on, or
was cut off, can do no harm until it has noticed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final

from risk_policy.contracts.gate import now_ns
from risk_receivers.database.connection import ServerError
from risk_receivers.database.place import Server
from risk_receivers.database.server import ServerConnection
from risk_receivers.leadership import record

_NANOSECONDS: Final = 1_000_000_000
#: Signs of life within the time after which another takes over.
_BEATS: Final = 10
#: The part of that time for which one of them counts.
_TRUSTED: Final = 1 / 2
_log = logging.getLogger(__name__)


class Leadership:
    """A term, and the connection whose lock says that it goes on. Safe to share by threads."""

    def __init__(
        self,
        place: Server,
        connection: ServerConnection,
        term: int,
        take_over_seconds: float,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self.term: Final = term
        self._place = place
        self._connection = connection
        self._every_seconds = take_over_seconds / _BEATS
        self._trusted_ns = round(take_over_seconds * _TRUSTED * _NANOSECONDS)
        self._clock = clock
        self._proven_ns = clock()
        self._why_lost = ""
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat_forever, name="leadership", daemon=True)

    def start(self) -> None:
        """Give signs of life from now on."""
        self._thread.start()

    @property
    def complaint(self) -> str:
        """Why nobody knows whether this still leads; empty if it does."""
        if self._why_lost:
            return f"this service does not lead any more: {self._why_lost}"
        unproven = self._clock() - self._proven_ns
        if unproven > self._trusted_ns:
            seconds = unproven / _NANOSECONDS
            return f"for {seconds:.1f} s nobody could say whether this service still leads"
        return ""

    def wait_for_its_end(self, seconds: float) -> bool:
        """Whether it was lost or let go of, at once or within some time."""
        return self._ended.wait(seconds)

    def is_followed(self) -> bool:
        """Whether another one leads, or led since. Raises ServerError."""
        with closing(ServerConnection(self._place, read_only=False)) as connection:
            return record.term(connection) != self.term

    def give_up(self, why: str) -> None:
        """As ``let_go``, of a service that goes on without it: its gate closes."""
        if not self._why_lost:
            self._lose(why)
        self.let_go()

    def let_go(self) -> None:
        """Lead no more: another may at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._ended.set()
        self._connection.close()

    def _beat_forever(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            asked_ns = self._clock()
            try:
                goes_on = record.beat(self._connection, self.term)
            except ServerError as error:
                if not error.unreachable:
                    _log.warning("no sign of life could be given: %s", error)
                    continue
                self._lose(f"its connection to the database was lost: {error}")
                return
            if not goes_on:
                self._lose("another one has taken over")
                return
            self._proven_ns = asked_ns

    def _lose(self, why: str) -> None:
        self._why_lost = why
        _log.critical("this service led in term %d and does not any more: %s", self.term, why)
        self._ended.set()
