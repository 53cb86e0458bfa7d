"""What is open, as the console asks for it: the worst first, all counted, in every backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import stores
from stores import in_every_backend

from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.tables import open_read_only
from risk_receivers.chain_watch import ChainVerdict
from risk_receivers.database.idle import kept_open
from risk_receivers.database.place import Place
from risk_receivers.reading import Reading
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Transaction, Writer

BEGAN = "2026-01-02T03:04:05.000000+00:00"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    backend = getattr(request, "param", "sqlite")
    path = tmp_path / "audit" / "audit.db"
    with stores.kept(backend, path, lambda: request.getfixturevalue("postgres")) as place:
        yield place


def insert(transaction: Transaction, table: str, **values: Any) -> None:
    places = ", ".join("?" * len(values))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"  # noqa: S608
    transaction.connection.execute(statement, tuple(values.values()))


def breach(transaction: Transaction, risk_id: str, severity: str, *, taken: bool = False) -> None:
    insert(
        transaction,
        "incident",
        risk_id=risk_id,
        tier="warning",
        episode=1,
        state="DISPATCHED",
        alertname="X",
        severity=severity,
        category=None,
        action="notify",
        starts_at=BEGAN,
        ends_at=None,
        last_seen_at=BEGAN,
        dispatched=1,
        created_at=BEGAN,
        labels="{}",
        annotations="{}",
    )
    if taken:
        insert(
            transaction,
            "silence",
            id=risk_id,
            standing="ACTIVE",
            matchers="[]",
            starts_at=BEGAN,
            ends_at=BEGAN,
            author="ann",
            comment="mine",
            risk_id=risk_id,
            tiers='["warning"]',
            incident="",
            made_at=BEGAN,
            excess="[]",
        )


def kept(place: Place, breaches: Sequence[tuple[str, str, bool]]) -> Reading:
    writer = Writer(
        *(place,),
        origin="test",
        retention=AuditRetention(),
        batch=100,
        queue_depth=9,
        schema=SCHEMA,
    )
    writer.start()

    def work(transaction: Transaction) -> None:
        for risk_id, severity, taken in breaches:
            breach(transaction, risk_id, severity, taken=taken)

    writer.run(work, 30)
    writer.stop(timeout=30)
    return Reading(place, ChainVerdict(), validate=False)


@in_every_backend("place")
def test_what_nobody_has_taken_on_comes_first_and_what_somebody_has_is_counted_by_itself(
    place: Place,
) -> None:
    reading = kept(
        place,
        [
            *(("a", "info", False), ("b", "emergency", True), ("c", "critical", False)),
            *(("d", "emergency", False), ("e", "critical", True), ("f", "warning", False)),
        ],
    )
    found = reading.open_worst_first(5)
    assert [one["risk_id"] for one in found["alerts"]] == ["d", "c", "f", "a", "b"]
    assert found["alerts"][-1]["state"] == "ACKNOWLEDGED"
    assert found["alerts"][-1]["acknowledged"] is not None
    assert found["waiting"] == {"info": 1, "critical": 1, "emergency": 1, "warning": 1}
    assert found["acknowledged"] == {"emergency": 1, "critical": 1}
    assert reading.open_risk_ids() == {*"abcdef"}


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_servers_connection_is_taken_up_by_whoever_asks_next(place: Place) -> None:
    def number() -> int:
        with closing(open_read_only(place)) as connection:
            found: tuple[int] = connection.execute("SELECT pg_backend_pid()").fetchone()
            return found[0]

    reading = kept(place, [("a", "info", False)])
    with kept_open(place):
        first = number()
        reading.open_worst_first(5)
        assert number() == first


def test_whatever_is_open_as_many_statements_and_rows_tell_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def watched(of: Place) -> Any:
        connection: Any = open_read_only(of)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr("risk_receivers.reading.open_read_only", watched)
    counts = {}
    for number in (20, 600):
        reading = kept(place, [(f"{number}/{n}", "warning", n % 9 == 0) for n in range(number)])
        asked.clear()
        assert len(reading.open_worst_first(12)["alerts"]) == 12
        counts[number] = len(asked)
    assert len(set(counts.values())) == 1, counts
    with closing(open_read_only(place)) as connection:
        (*_, plan) = connection.execute(f"EXPLAIN QUERY PLAN {asked[1]}").fetchall()
    assert "silence_about" in str(plan), "with each open alert all silences would be gone through"
