"""What is asked often is answered from an index, however much history there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from risk_receivers.chain_watch import ChainVerdict
from risk_receivers.reading import Reading
from risk_receivers.schema import SCHEMA
from risk_receivers.store.database import WritableDatabase

OPEN = "incident_open_by_age"
OWED = "message_owed"


class Explaining(sqlite3.Connection):
    """Answers as ever, and keeps how SQLite goes about each question, values unknown to it."""

    plans: ClassVar[list[str]] = []

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        for row in super().execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall():
            self.plans.append(tuple(row)[3])
        return super().execute(sql, values)


class Explained(Reading):
    """Reads through such a connection."""

    def __init__(self, database: Path) -> None:
        super().__init__(database, ChainVerdict(), validate=False)
        self._path = database

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, factory=Explaining)) as connection:
            yield connection


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda reading: reading.open_by_severity(), OPEN),
        (lambda reading: reading.expired_by_severity(), "incident_expired"),
        (lambda reading: reading.incidents("open", 100), OPEN),
        (lambda reading: reading.incidents(None, 100), "incident_created"),
        (lambda reading: reading.pending_messages(), OWED),
    ],
    ids=["open by severity", "expired", "open", "latest", "pending"],
)
def test_a_question_uses_its_index(
    tmp_path: Path, ask: Callable[[Reading], object], index: str
) -> None:
    path = tmp_path / "audit.db"
    with closing(WritableDatabase(path, busy_timeout_seconds=1)) as database:
        database.prepare(SCHEMA)
    Explaining.plans.clear()
    ask(Explained(path))
    plan = Explaining.plans
    assert any(f"INDEX {index}" in step for step in plan), plan
    assert not any("SCAN" in step and "INDEX" not in step for step in plan), plan
