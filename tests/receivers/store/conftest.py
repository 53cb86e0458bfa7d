"""Writers to use up, works to give them, and a gate to hold them back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stores

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the database is to be: in SQLite, or where the test's parameter says."""
    backend = getattr(request, "param", "sqlite")
    with stores.kept(
        backend, tmp_path / "audit" / "audit.db", lambda: request.getfixturevalue("postgres")
    ) as place:
        yield place


@pytest.fixture
def make_writer(path: Place) -> Iterator[Callable[..., Writer]]:
    """Makes writers on that database; those that run are stopped at the end."""
    made: list[Writer] = []

    def make(**changes: Any) -> Writer:
        arguments: dict[str, Any] = {
            "origin": "test",
            "retention": AuditRetention(),
            "batch": 100,
            "queue_depth": 1000,
        }
        writer = Writer(changes.pop("database", path), **(arguments | changes))
        made.append(writer)
        return writer

    yield make
    for writer in made:
        writer.stop(timeout=30)


@pytest.fixture
def writer(make_writer: Callable[..., Writer]) -> Writer:
    """A running writer with a table of its own beside the chain."""
    writer = make_writer(
        schema=["CREATE TABLE IF NOT EXISTS note(id INTEGER PRIMARY KEY, text TEXT UNIQUE) STRICT"]
    )
    writer.start()
    return writer


@pytest.fixture(scope="session")
def alert() -> Callable[[str], Callable[[Transaction], int]]:
    """A work that appends one alert."""

    def work(message: str) -> Callable[[Transaction], int]:
        event = AuditEvent(EventType.ALERT_CREATED, message)
        return lambda transaction: transaction.append(event)

    return work


class Gate:
    """A work that holds the writer inside its transaction until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, _: Transaction) -> None:
        self.entered.set()
        assert self.let_go.wait(30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Opens by itself at the end, so that no test can hang its writer."""
    gate = Gate()
    yield gate
    gate.let_go.set()


@pytest.fixture(scope="session")
def executing() -> Callable[[str], Callable[[Transaction], None]]:
    """A work that runs one statement."""

    def work(statement: str) -> Callable[[Transaction], None]:
        def run(transaction: Transaction) -> None:
            transaction.connection.execute(statement)

        return run

    return work


@pytest.fixture
def three(make_writer: Callable[..., Writer], path: Place, alert: Any) -> Place:
    """A store with three records that nobody writes to any more."""
    writer = make_writer()
    writer.start()
    for text in "abc":
        writer.run(alert(text), timeout=30)
    writer.stop()
    return path
