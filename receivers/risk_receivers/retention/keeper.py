"""Prunes what is over, a little at a time, so that nothing that comes in waits for it.

What is due is looked for beside the writer; the writer is handed a few rows at once and looks at
each again. How many went is kept with them, in the same transaction, and goes on record in one
audit event when a round is through: a service that dies in between goes on where it was.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.model.escalation import Retention
from risk_policy.vocabulary import Category
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.retention.tables import PRUNABLE, Key, Prunable
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: Rows of one transaction: some milliseconds, which is what a kill may have to wait.
_BATCH: Final = 50
#: Keys in memory at a time.
_LOOK: Final = 5000
#: It rests so many times as long as a batch took.
_REST_FACTOR: Final = 10
_ROUND_SECONDS: Final = 3600.0
_RETRY_SECONDS: Final = 30.0
_PRUNED: Final = "pruned:"
_log = logging.getLogger(__name__)


class RetentionKeeper(Worker):
    """Lets go of what the policy does not want to be kept."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        telemetry: Telemetry,
        retention: Retention,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__("retention", telemetry)
        self._database = database
        self._writer = writer
        self._age = timedelta(days=retention.days)
        self._max_events = retention.max_events
        self._clock = clock

    def round(self) -> float | None:
        """Prune all that is due; in how many seconds to look again."""
        try:
            self.prune()
        except ROUND_ERRORS as error:
            _log.error("what is over is kept for longer: %s", error)
            return _RETRY_SECONDS
        return _ROUND_SECONDS

    def prune(self) -> None:
        """Prune all that is due, unless the service stops. Raises what a round may fail with."""
        now = self._clock()
        for table in PRUNABLE:
            before = now - max(self._age, table.least)
            self._prune(table, before, None)
            if table.is_capped:
                excess = self._count(table) - self._max_events
                self._prune(table, now - table.least, excess)
        if self._stopping.is_set():
            return
        self._writer.submit(
            partial(_record, days=self._age.days, max_events=self._max_events)
        ).result()
        with closing(open_read_only(self._database)) as connection:
            for table in PRUNABLE:
                rows = table.count(connection)
                self._telemetry.set(m.STORE_ROWS, table.name, value=float(rows))
        self._telemetry.set(m.STORE_PRUNED, value=now.timestamp())

    def _prune(self, table: Prunable, before: datetime, most: int | None) -> None:
        """Remove what was over before a time, ``most`` of it at most."""
        left = most
        while left is None or left > 0:
            with closing(open_read_only(self._database)) as connection:
                keys = table.due(connection, before, _LOOK if left is None else min(left, _LOOK))
            for start in range(0, len(keys), _BATCH):
                began = time.monotonic()
                batch = keys[start : start + _BATCH]
                self._writer.submit(
                    partial(_remove, table=table, keys=batch, before=before)
                ).result()
                if self._stopping.wait(_REST_FACTOR * (time.monotonic() - began)):
                    return
            if len(keys) < _LOOK:
                return
            left = None if left is None else left - len(keys)

    def _count(self, table: Prunable) -> int:
        with closing(open_read_only(self._database)) as connection:
            return table.count(connection)


def _remove(
    transaction: Transaction, *, table: Prunable, keys: Sequence[Key], before: datetime
) -> None:
    if removed := table.remove(transaction.connection, keys, before):
        transaction.connection.execute(
            "INSERT INTO fact (name, value) VALUES (?1, ?2) "
            "ON CONFLICT (name) DO UPDATE "
            "SET value = CAST(CAST(fact.value AS INTEGER) + ?3 AS TEXT)",
            (_PRUNED + table.name, str(removed), removed),
        )


def _record(transaction: Transaction, *, days: int, max_events: int) -> None:
    """Put on record what went since the last record of the kind."""
    connection = transaction.connection
    rows = connection.execute(
        "SELECT name, value FROM fact WHERE name >= ? AND name < ? ORDER BY name",
        (_PRUNED, _PRUNED[:-1] + ";"),
    ).fetchall()
    if not rows:
        return
    removed = {name.removeprefix(_PRUNED): int(value) for name, value in rows}
    told = ", ".join(f"{count} of {name}" for name, count in removed.items())
    transaction.append(
        AuditEvent(
            EventType.RECORDS_PRUNED,
            f"what was over went from the service's own tables, by the policy: {told}; "
            "the audit chain was not touched",
            category=Category.SYSTEM,
            details={
                "days": days,
                "max_events": max_events,
                "removed": dict(removed),
                "at": to_text(transaction.now),
            },
            action_taken="removed",
        )
    )
    connection.executemany("DELETE FROM fact WHERE name = ?", [(name,) for name, _ in rows])
