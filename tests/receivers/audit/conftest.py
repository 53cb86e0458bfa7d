"""Chains to verify and to tamper with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import stores
from copied_store import audit
from signed_log import Log
from writers import append, writing

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY, Record, follow
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.record import StoredRow
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place, Segmented, Server, path_of
from risk_receivers.signer import journal

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
        with writing(place, schema=()) as writer:
            for n in range(12):
                append(writer, AuditEvent(EventType.ALERT_CREATED, f"alert {n}", details={"n": n}))
        yield place


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


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    log.writer.start()
    try:
        log.writer.run(partial(journal.introduce, key=log.key), timeout=30)
        log.checkpoint()
        for number in range(2, 13):
            log.append(f"alert {number}")
            if number in (4, 7, 10):
                log.checkpoint()
        yield log
    finally:
        log.writer.stop()
        log.signer.close()


@pytest.fixture
def closed(log: Log) -> Log:
    """The same at rest."""
    log.writer.stop()
    return log


@pytest.fixture
def data(database: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a store of twelve records, where the policy has it kept."""
    folder = tmp_path / "data"
    (folder / "audit").mkdir(parents=True)
    for file in path_of(database).parent.glob("audit.db*"):
        file.rename(folder / "audit" / file.name)
    backend = stores.BACKENDS[[Path, Segmented, Server].index(_kind(database))]
    if isinstance(database, Server):
        monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", database.dsn)
    policy = tmp_path / "alerting.toml"
    policy.write_text(f'[alerting.audit]\nstorage_backend = "{backend}"\n', encoding="utf-8")
    monkeypatch.setenv("RISKWARDEN_POLICY", str(policy))
    return folder


def _kind(place: Place) -> type:
    return Path if isinstance(place, Path) else type(place)


@pytest.fixture
def store(data: Path, database: Place) -> Place:
    path = data / "audit" / "audit.db"
    return replace(database, path=path) if not isinstance(database, Path) else path


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    """A backup of it, of which the store has told since."""
    done = audit("backup", tmp_path / "copy.db", "--data", data)
    assert done.exit_code == 0, done.stderr
    return tmp_path / "copy.db"


@pytest.fixture
def empty(
    request: pytest.FixtureRequest, store: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Another machine's place of the same kind, where the policy has a store kept from now on."""
    path = tmp_path / "fresh" / "audit" / "audit.db"
    if not isinstance(store, Server):
        yield path if isinstance(store, Path) else replace(store, path=path)
        return
    with request.getfixturevalue("postgres").database() as dsn:
        monkeypatch.setenv("RISKWARDEN_POSTGRESQL_DSN", dsn)
        yield Server(dsn, path)
