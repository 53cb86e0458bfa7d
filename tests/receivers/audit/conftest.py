"""Chains to verify and to tamper with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import stores

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY, Record, follow
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.record import StoredRow
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer

START = datetime(2030, 1, 31, 12, 0, 0, 250, tzinfo=UTC)


def _chain(events: Sequence[AuditEvent]) -> list[Record]:
    head = EMPTY
    records = []
    for number, event in enumerate(events):
        record = follow(
            head,
            event,
            origin="test",
            recorded_at=START + timedelta(seconds=number),
            keep_days=AuditRetention().days_for(event.event_type),
            salt=bytes([number % 256]) * 16,
        )
        records.append(record)
        head = record.head
    return records


def _rows(records: Sequence[Record]) -> list[StoredRow]:
    return [StoredRow(r.seq, r.header, r.checksum, r.salt, r.payload) for r in records]


@pytest.fixture(scope="session")
def chain() -> Callable[[Sequence[AuditEvent]], list[Record]]:
    """Chains events, a second apart."""
    return _chain


@pytest.fixture(scope="session")
def stored() -> Callable[[Sequence[Record]], list[StoredRow]]:
    """Records as rows of the database."""
    return _rows


@pytest.fixture
def rows() -> list[StoredRow]:
    """Six honest records."""
    events = [
        AuditEvent(
            EventType.KILL_SWITCH_ACTIVATED if number == 3 else EventType.ALERT_CREATED,
            f"drawdown at {number + 5} %",
            severity=Severity.WARNING,
            category=Category.DRAWDOWN,
            alert_id="drawdown/main",
            details={"value": f"0.0{number}", "samples": number, "tags": ["a", None, True]},
        )
        for number in range(6)
    ]
    return _rows(_chain(events))


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database at rest with twelve records: in SQLite, or where the test's parameter says."""
    backend = getattr(request, "param", "sqlite")
    with stores.kept(
        backend, tmp_path / "audit.db", lambda: request.getfixturevalue("postgres")
    ) as place:
        _fill(place)
        yield place


def _fill(place: Place) -> None:
    writer = Writer(place, origin="test", retention=AuditRetention(), batch=50, queue_depth=50)
    writer.start()
    try:
        for number in range(12):
            event = AuditEvent(EventType.ALERT_CREATED, f"alert {number}", details={"n": number})
            writer.run(partial(Transaction.append, event=event), timeout=30)
    finally:
        writer.stop()


@pytest.fixture
def tamper() -> Callable[..., None]:
    """Runs statements on a database, as somebody who can write it."""

    def run(path: Path, *statements: str, values: Sequence[object] = ()) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement, values)

    return run


@pytest.fixture
def reading(database: Place) -> Iterator[Connection]:
    """A read-only connection to the database."""
    with closing(tables.open_read_only(database)) as connection:
        yield connection
