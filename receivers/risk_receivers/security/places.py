"""From which addresses each token and each user comes: a stolen secret comes from another one.

It is known in memory, where a request waits for nothing, and kept in the store across restarts.
Where somebody comes from for the first time ever is learnt and not told: it is nobody's habit yet.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections import OrderedDict
from contextlib import closing
from datetime import datetime
from functools import lru_cache
from typing import Final

from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.schema import to_text
from risk_receivers.sessions.lock_out import subscriber
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: What a user is known by here; a token of the same name is another matter.
USER: Final = "user "
#: Addresses of one name, and names: of more, what was not seen for longest is forgotten.
MOST_OF_ONE: Final = 100
MOST_NAMES: Final = 1000
#: Whoever is known comes again and again from the same few.
_UNDERSTOOD: Final = 128
_RETRY_SECONDS: Final = 5.0
#: How long the last of them may keep a stop waiting.
_STOP_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Places(Worker):
    """Knows, and writes down what is new."""

    def __init__(self, database: Place, writer: Writer, telemetry: Telemetry) -> None:
        """What is on record is known at once. Raises StoreError."""
        super().__init__("security-places", telemetry)
        self._writer = writer
        self._lock = threading.Lock()
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._new: dict[tuple[str, str], datetime] = {}
        self._gone: set[tuple[str, str]] = set()
        with closing(open_read_only(database)) as connection:
            for who, address in _load(connection):
                self._known.setdefault(who, OrderedDict())[address] = None

    def is_new(self, who: str, address: str) -> bool:
        """Whether somebody who is known comes from here for the first time. Waits for nothing."""
        place = _place(address)
        if place is None:
            return False
        with self._lock:
            places = self._known.get(who)
            if places is not None and place in places:
                places.move_to_end(place)
                self._known.move_to_end(who)
                return False
            is_first = places is None
            places = self._known.setdefault(who, OrderedDict())
            places[place] = None
            self._known.move_to_end(who)
            self._owe(who, place)
            if len(places) > MOST_OF_ONE:
                self._forget(who, places.popitem(last=False)[0])
            if len(self._known) > MOST_NAMES:
                gone, theirs = self._known.popitem(last=False)
                for each in theirs:
                    self._forget(gone, each)
        self.wake()
        return not is_first

    def of_users(self) -> dict[str, list[str]]:
        """From where everybody comes who logs in, the latest last."""
        with self._lock:
            return {
                who.removeprefix(USER): [*places]
                for who, places in self._known.items()
                if who.startswith(USER)
            }

    def round(self) -> float | None:
        """Write down what is new."""
        return None if self._write(None) else _RETRY_SECONDS

    def stop(self) -> None:
        """End, and write down what is left."""
        super().stop()
        self._write(_STOP_SECONDS)

    def _owe(self, who: str, place: str) -> None:
        self._gone.discard((who, place))
        self._new[who, place] = utc_now()

    def _forget(self, who: str, place: str) -> None:
        if self._new.pop((who, place), None) is None:
            self._gone.add((who, place))

    def _write(self, timeout: float | None) -> bool:
        with self._lock:
            new, gone = dict(self._new), set(self._gone)
        if not new and not gone:
            return True
        try:
            self._writer.submit(lambda t: _keep(t, new, gone)).result(timeout)
        except (TimeoutError, *ROUND_ERRORS) as error:
            _log.warning("from where tokens and users come is not written down yet: %s", error)
            return False
        with self._lock:
            for key, at in new.items():
                if self._new.get(key) == at:
                    del self._new[key]
            self._gone -= gone
        return True


@lru_cache(maxsize=_UNDERSTOOD)
def _place(address: str) -> str | None:
    """What counts as one place; None if it is no address."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return subscriber(address)


def _load(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT who, address FROM seen_address ORDER BY first_at")
    return [(str(who), str(address)) for who, address in rows]


def _keep(
    transaction: Transaction, new: dict[tuple[str, str], datetime], gone: set[tuple[str, str]]
) -> None:
    transaction.connection.executemany(
        "INSERT INTO seen_address (who, address, first_at) VALUES (?, ?, ?) "
        "ON CONFLICT (who, address) DO NOTHING",
        [(who, place, to_text(at)) for (who, place), at in new.items()],
    )
    transaction.connection.executemany(
        "DELETE FROM seen_address WHERE who = ? AND address = ?", sorted(gone)
    )
