"""Who was refused, on record: at once, and at most once a minute each.

Whoever hammers at a door makes a number grow, not the chain. What is counted and not yet on
record is there a minute later, or when the service stops.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.operator import GIVEN_TOKEN
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.auth import NO_TOKEN, Identity
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

PAUSE_SECONDS: Final = 60.0
#: Addresses that are counted apart; whoever has more of them is counted as one.
MOST_ADDRESSES: Final = 100
OTHERS: Final = "other addresses"
#: Paths that one record names. Strangers choose them, and the chain keeps what it is told.
MOST_PATHS: Final = 20
OTHER_PATHS: Final = "other paths"
_LONGEST_PATH: Final = 200
_TOKEN: Final = re.compile(GIVEN_TOKEN)
_RETRY_SECONDS: Final = 1.0
#: How long the last record may keep a stop waiting.
_STOP_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempts:
    """What one address tried in vain since the last record about it, with one token or none."""

    address: str
    why: str = NO_TOKEN
    by: Identity | None = None
    first_at: datetime = field(default_factory=utc_now)
    last_at: datetime = field(default_factory=utc_now)
    paths: tuple[str, ...] = ()
    count: int = 0

    def and_one(self, path: str) -> Attempts:
        """With one more."""
        path = _told(path)
        if path not in self.paths and len(self.paths) >= MOST_PATHS:
            path = OTHER_PATHS
        paths = self.paths if path in self.paths else (*self.paths, path)
        return replace(self, count=self.count + 1, paths=paths, last_at=utc_now())

    @property
    def who(self) -> tuple[str, str]:
        """What tells them from others."""
        return self.address, self.by.name if self.by else ""


class Refusals(Worker):
    """Counts refusals and puts them on record."""

    def __init__(
        self, writer: Writer, telemetry: Telemetry, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        super().__init__("refusals", telemetry)
        self._writer = writer
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Attempts] = {}
        self._recorded_at: dict[tuple[str, str], float] = {}

    def note(
        self, address: str, path: str, why: str = NO_TOKEN, by: Identity | None = None
    ) -> None:
        """Somebody was refused. Waits for nothing. Of several reasons the first is told."""
        attempts = Attempts(address, why, by)
        with self._lock:
            known = attempts.who in self._recorded_at or attempts.who in self._open
            if not known and len(self._recorded_at.keys() | self._open.keys()) >= MOST_ADDRESSES:
                attempts = Attempts(OTHERS, why, by)
            who = attempts.who
            new = who not in self._open
            self._open[who] = self._open.get(who, attempts).and_one(path)
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
                who: at for who, at in self._recorded_at.items() if now - at < self._pause_seconds
            }
            waiting = [at for who, at in self._recorded_at.items() if who in self._open]
            due = [attempts for who, attempts in self._open.items() if who not in self._recorded_at]
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
                self._recorded_at[recorded.who] = now
                more = self._open.pop(recorded.who)
                if more.count > recorded.count:  # while the others were written down
                    self._open[recorded.who] = replace(
                        more, count=more.count - recorded.count, first_at=recorded.last_at
                    )
        return True


def _told(path: str) -> str:
    """A path as it goes on record: a token that somebody took for a name is none of that."""
    path = _TOKEN.sub(lambda token: f"{token[0][:15]}_***", path)
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}..."


def _append(transaction: Transaction, due: Sequence[Attempts]) -> None:
    for attempts in due:
        times = "time" if attempts.count == 1 else "times"
        by = attempts.by
        who = f"{by.name} at {attempts.address}" if by else attempts.address
        transaction.append(
            AuditEvent(
                EventType.ACCESS_REFUSED,
                f"{who} was refused {attempts.count} {times}: {attempts.why}",
                severity=Severity.WARNING,
                category=Category.SECURITY,
                details={
                    "address": attempts.address,
                    "token": by.name if by else "",
                    "token_id": by.token_id if by else "",
                    "count": attempts.count,
                    "paths": list(attempts.paths),
                    "first_at": to_text(attempts.first_at),
                    "last_at": to_text(attempts.last_at),
                },
                action_taken="refused",
                action_reason=attempts.why,
                actor_type=ActorType.USER if by and by.is_person else ActorType.SYSTEM,
                actor_id=by.name if by else None,
            )
        )
