"""A chain whose clock is set by hand, and what deletes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from writers import started

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import verify_database
from risk_receivers.database.place import Place, path_of
from risk_receivers.retention.pruner import Pruner
from risk_receivers.retention.works import Doer
from risk_receivers.store.writer import Transaction

DAY = timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Archive:
    """Its own writer runs as long as it does."""

    def __init__(
        self,
        place: Place,
        retention: AuditRetention | None = None,
        begin: datetime = BEGIN,
    ) -> None:
        self.now = begin
        is_folder = isinstance(place, Path) and place.is_dir()
        self.database = path_of(place) / "audit.db" if is_folder else place
        self.writer = started(self.database, retention=retention, clock=lambda: self.now)

    @property
    def path(self) -> Path:
        """Where it is, or the files of this machine are."""
        return path_of(self.database)

    def add(
        self,
        event_type: EventType = EventType.ALERT_CREATED,
        count: int = 1,
        *,
        message: str = "alert",
        alert_id: str | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> int:
        """Records events in one commit; the last one's number."""
        event = partial(AuditEvent, event_type, message, alert_id=alert_id, details=details or {})
        return self._record(event() for _ in range(count))

    def add_each(self, details: Iterable[dict[str, JsonValue]]) -> int:
        """An alert for each of the details, in one commit; the last one's number."""
        return self._record(
            AuditEvent(EventType.ALERT_CREATED, "alert", details=each) for each in details
        )

    def _record(self, events: Iterable[AuditEvent]) -> int:
        def work(transaction: Transaction) -> int:
            for event in events:
                transaction.append(event)
            return transaction.head.size

        return self.writer.run(work, 30)

    def days_pass(self, days: int) -> None:
        """Day by day, each with a record of its own that is kept for long."""
        for _ in range(days):
            self.now += DAY
            self.add(EventType.CONFIG_CHANGED, message="a day")

    def come_to(self, now: datetime) -> None:
        """Let the time pass; the last of it was seen."""
        for hours in (36, 24, 12, 0):
            self.now = now - timedelta(hours=hours)
            self.add(EventType.CONFIG_CHANGED, message="half a day")

    def pruner(self, doer: str = "", rest: Callable[[float], bool] = lambda _: False) -> Pruner:
        """What deletes; it never rests."""
        return Pruner(self.database, self.writer, doer=Doer(doer), rest=rest)

    def prune(self, seen_since: datetime | None = None) -> int:
        """Delete what is due, by somebody who has seen the time pass since then."""
        return self.pruner().prune(self.now, seen_since or self.now)

    def prune_steps(self, steps: int) -> int:
        """Delete what is due, stopped after so many steps; who does it was always there."""
        done = 0

        def deleted(_: int) -> None:
            nonlocal done
            done += 1

        pruner = self.pruner(rest=lambda _: done >= steps)
        return pruner.prune(self.now, BEGIN, deleted=deleted)

    def verify(self, now: datetime | None = None) -> Verification:
        """Whether all is well."""
        return verify_database(self.database, clock=lambda: now or self.now)

    def problems(self, now: datetime | None = None) -> list[str]:
        """What is not."""
        return [str(problem) for problem in self.verify(now).problems]

    def files(self) -> list[Path]:
        """Every file that it is kept in."""
        return [path for path in self.path.parent.rglob("*") if path.is_file()]

    def of_type(self, event_type: EventType) -> list[StoredEvent]:
        """Records of one type."""
        return [event for event in self.all() if event.event_type == event_type]

    def all(self) -> list[StoredEvent]:
        """Every record, checked."""
        return events(self.database, limit=100_000)

    def gone(self) -> list[int]:
        """Records without payload."""
        return [event.seq for event in self.all() if event.payload is None]

    def tamper(self, *statements: str, values: Sequence[object] = ()) -> None:
        """As somebody who can write the database."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement, values)
