"""Who was refused, on record: at once, and at most once a minute each.

Whoever hammers at a door makes a number grow, not the chain. What is counted and not yet on
record is there a minute later, or when the service stops.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

PAUSE_SECONDS: Final = 60.0
#: Addresses that are counted apart; whoever has more of them is counted as one.
MOST_ADDRESSES: Final = 100
OTHERS: Final = "other addresses"
_RETRY_SECONDS: Final = 1.0
#: How long the last record may keep a stop waiting.
_STOP_SECONDS: Final = 2.0
#: Why, unless something else is said.
NO_TOKEN: Final = "a wrong token, or none"  # noqa: S105 - words, and no token
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What one address tried in vain since the last record about it."""

    address: str
    why: str = NO_TOKEN
    first_at: datetime = field(default_factory=utc_now)
    last_at: datetime = field(default_factory=utc_now)
    paths: tuple[str, ...] = ()
    count: int = 0

    def and_one(self, path: str) -> Attempts:
        """With one more."""
        paths = self.paths if path in self.paths else (*self.paths, path)
        return replace(self, count=self.count + 1, paths=paths, last_at=utc_now())


class Refusals(Worker):
    """Counts refusals and puts them on record."""

    def __init__(
        self, writer: Writer, telemetry: Telemetry, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        super().__init__("refusals", telemetry)
        self._writer = writer
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._open: dict[str, Attempts] = {}
        self._recorded_at: dict[str, float] = {}

    def note(self, address: str, path: str, why: str = NO_TOKEN) -> None:
        """Somebody was refused. Waits for nothing. Of several reasons the first is told."""
        with self._lock:
            known = address in self._recorded_at or address in self._open
            if not known and len(self._recorded_at.keys() | self._open.keys()) >= MOST_ADDRESSES:
                address = OTHERS
            new = address not in self._open
            self._open[address] = self._open.get(address, Attempts(address, why)).and_one(path)
        if new:
            self.wake()

    def round(self) -> float | None:
        """Record what is due."""
        due, pause = self._due(time.monotonic())
        if due and not self._record(due, None):
            return _RETRY_SECONDS
        return pause

    def stop(self) -> None:
        """End, and record what is left."""
        super().stop()
        if left := list(self._open.values()):
            self._record(left, _STOP_SECONDS)

    def _due(self, now: float) -> tuple[list[Attempts], float | None]:
        """What can be recorded now, and when the rest can."""
        with self._lock:
            self._recorded_at = {
                address: at
                for address, at in self._recorded_at.items()
                if now - at < self._pause_seconds
            }
            waiting = [at for address, at in self._recorded_at.items() if address in self._open]
            due = [a for address, a in self._open.items() if address not in self._recorded_at]
        return due, min(waiting) + self._pause_seconds - now if waiting else None

    def _record(self, due: Sequence[Attempts], timeout: float | None) -> bool:
        try:
            recording = self._writer.submit(lambda transaction: _append(transaction, due))
            recording.result(timeout)
        except (TimeoutError, *ROUND_ERRORS) as error:
            _log.error("refused requests are not on record yet: %s", error)
            return False
        with self._lock:
            now = time.monotonic()
            for recorded in due:
                self._recorded_at[recorded.address] = now
                more = self._open.pop(recorded.address)
                if more.count > recorded.count:  # while the others were written down
                    self._open[recorded.address] = replace(
                        more, count=more.count - recorded.count, first_at=recorded.last_at
                    )
        return True


def _append(transaction: Transaction, due: Sequence[Attempts]) -> None:
    for attempts in due:
        times = "time" if attempts.count == 1 else "times"
        transaction.append(
            AuditEvent(
                EventType.ACCESS_REFUSED,
                f"{attempts.address} was refused {attempts.count} {times}: {attempts.why}",
                severity=Severity.WARNING,
                category=Category.SECURITY,
                details={
                    "address": attempts.address,
                    "count": attempts.count,
                    "paths": list(attempts.paths),
                    "first_at": to_text(attempts.first_at),
                    "last_at": to_text(attempts.last_at),
                },
                action_taken="refused",
            )
        )
