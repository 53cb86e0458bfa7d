"""Who was refused or behaved suspiciously, on record: at once, and at most once a minute each.

Whoever hammers at a door makes a number grow, not the chain. What is counted and not yet on
record is there a minute later, or when the service stops.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

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
#: Address, name and kind.
Who = tuple[str, str, EventType]
_log = logging.getLogger(__name__)


#: How each kind is told, and what was done about it.
_TOLD: Final[Mapping[EventType, tuple[str, str]]] = {
    EventType.ACCESS_REFUSED: ("{who} was refused {times}: {why}", "refused"),
    EventType.LOGIN_REFUSED: ("{address} failed {times} to log in as {name}: {why}", "refused"),
    EventType.INTRUSION_SUSPECTED: ("{who} sent what looks like {why}, {times}", "counted"),
    EventType.NEW_ADDRESS_SEEN: ("{who} was never seen at this address before", "counted"),
    EventType.AFTER_HOURS_ACCESS: ("{who} came {times} outside business hours: {why}", "counted"),
    EventType.BULK_EXPORT_SEEN: ("{who} read audit records in bulk, {times}: {why}", "counted"),
    EventType.RATE_LIMITED: ("{who} asked too often, {times}", "refused"),
    EventType.ADDRESS_BLOCKED: ("{address} is blocked: {why}", "blocked"),
}


class Heard(Protocol):
    """Is told what is told to the record."""

    def __call__(
        self, address: str, path: str, why: str, by: Identity | None, kind: EventType
    ) -> None:
        """Take note. Waits for nothing."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What one address did since the last record about it, with one token or none.

    Attributes:
        by: whose token came with it, or whose name was given at a log-in.
        kind: as what it is recorded.
    """

    address: str
    why: str = NO_TOKEN
    by: Identity | None = None
    kind: EventType = EventType.ACCESS_REFUSED
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
    def who(self) -> Who:
        """What tells them from others."""
        return self.address, self.by.name if self.by else "", self.kind


class Refusals(Worker):
    """Counts refusals and puts them on record."""

    def __init__(
        self, writer: Writer, telemetry: Telemetry, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        super().__init__("refusals", telemetry)
        self._writer = writer
        self._heard: tuple[Heard, ...] = ()
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._open: dict[Who, Attempts] = {}
        self._recorded_at: dict[Who, float] = {}

    def tell(self, heard: Heard) -> None:
        """From now on tell somebody else, too."""
        self._heard = (*self._heard, heard)

    def note(
        self,
        address: str,
        path: str,
        why: str = NO_TOKEN,
        by: Identity | None = None,
        kind: EventType = EventType.ACCESS_REFUSED,
    ) -> None:
        """Somebody was refused. Waits for nothing. Of several reasons the first is told."""
        self.keep(address, path, why, by, kind)
        for heard in self._heard:
            heard(address, path, why, by, kind)

    def keep(self, address: str, path: str, why: str, by: Identity | None, kind: EventType) -> None:
        """Put something on record, of which nobody else is told."""
        attempts = Attempts(address, why, by, kind)
        with self._lock:
            known = attempts.who in self._recorded_at or attempts.who in self._open
            if not known and len(self._recorded_at.keys() | self._open.keys()) >= MOST_ADDRESSES:
                attempts = Attempts(OTHERS, why, by, kind)
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
        by = attempts.by
        transaction.append(
            AuditEvent(
                attempts.kind,
                _said(attempts),
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
                action_taken=_TOLD[attempts.kind][1],
                action_reason=attempts.why,
                actor_type=ActorType.USER if by and by.is_person else ActorType.SYSTEM,
                actor_id=by.name if by else None,
            )
        )


def _said(attempts: Attempts) -> str:
    times = f"{attempts.count} time{'s' * (attempts.count > 1)}"
    by, address = attempts.by, attempts.address
    who = f"{by.name} at {address}" if by and address else by.name if by else address
    name = by.name if by else "nobody"
    said, _ = _TOLD[attempts.kind]
    return said.format(who=who, name=name, address=address, times=times, why=attempts.why)
