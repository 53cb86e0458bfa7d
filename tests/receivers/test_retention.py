"""What is over goes in time; what is open or owed survives whatever happens."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from writers import started

from risk_policy import default_policy_path, load_policy
from risk_policy.model.escalation import Retention
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.channels.dead_letters import dismiss
from risk_receivers.channels.failover import give_up
from risk_receivers.channels.message import Kind
from risk_receivers.channels.outbox import Outbox, mark_delivered
from risk_receivers.incidents.table import overdue
from risk_receivers.intake.alert import Alert, Batch, Feed, Malformed
from risk_receivers.kill.automatic import Automatic
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.retention.keeper import RetentionKeeper
from risk_receivers.retention.tables import FREE_KINDS, KEPT, KILL_KINDS, PRUNABLE
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Transaction
from risk_receivers.telemetry import Telemetry
from risk_receivers.verification import verify_store

#: Kinds about an incident: their messages stay as long as it does.
INCIDENT_KINDS = {
    Kind.FIRING,
    Kind.ESCALATED,
    Kind.EXPIRED,
    Kind.CONTINUED,
    Kind.RESOLVED,
    Kind.ACK_LOST,
}


def test_every_table_has_a_rule_or_a_reason_to_have_none() -> None:
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", " ".join(SCHEMA)))
    assert tables == {table.name for table in PRUNABLE} | set(KEPT)


def test_every_kind_of_message_goes_with_its_incident_or_by_itself_or_never() -> None:
    groups = (*INCIDENT_KINDS, *FREE_KINDS, *KILL_KINDS)
    assert sorted(groups) == sorted(set(Kind) - {Kind.TEST}), "a test is never kept"


class House:
    """A store, what writes to it, and a clock that is set by hand."""

    def __init__(self, folder: Path, retention: Retention) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.database = folder / "audit.db"
        self.writer = started(self.database, clock=lambda: self.now)
        self.outbox = Outbox({"webhook": Severity.DEBUG})
        self.ledger = Ledger(
            Teller(self.outbox, Terms()),
            Automatic(KillMode.GRACEFUL),
            Restricting(load_policy(default_policy_path(), {}), self.outbox),
        )
        self.telemetry = Telemetry()
        self.keeper = RetentionKeeper(
            self.database, self.writer, self.telemetry, retention, clock=lambda: self.now
        )

    def take(
        self,
        feed: Feed,
        risk_id: str,
        *,
        firing: bool,
        kills: bool = False,
        since: datetime | None = None,
    ) -> None:
        self.now += timedelta(seconds=2)
        alert = Alert(
            feed=feed,
            firing=firing,
            alertname="DRAWDOWN",
            risk_id=risk_id,
            tier="emergency" if kills else "warning",
            severity=Severity.EMERGENCY if kills else Severity.WARNING,
            category=Category.DRAWDOWN,
            action="kill_switch" if kills else "notify",
            starts_at=since or self.now - timedelta(seconds=1),
            ends_at=self.now + timedelta(seconds=10) if firing else self.now,
        )
        self.batch(Batch(feed, (alert,)))

    def batch(self, batch: Batch) -> None:
        work = self.ledger.take_batch
        self.writer.run(lambda t: work(t, batch, self.now, f"kill-{self.now}"), 10)

    def expire(self) -> None:
        def work(transaction: Transaction) -> None:
            found = overdue(transaction.connection, self.now)
            self.ledger.expire(transaction, self.now, found)

        self.writer.run(work, 10)

    def deliver(self, numbers: list[int]) -> None:
        def confirm(transaction: Transaction) -> None:
            for number in numbers:
                mark_delivered(transaction.connection, number, transaction.now)

        self.writer.run(confirm, 10)

    def give_up(self, number: int, taker: str = "") -> None:
        fallbacks = {"webhook": [taker]} if taker else {}
        self.writer.run(lambda t: give_up(t, fallbacks, number, "refused"), 10)

    def rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql).fetchall()

    def owed(self) -> list[int]:
        return [
            number
            for (number,) in self.rows(
                "SELECT id FROM message WHERE delivered_at IS NULL "
                "AND id NOT IN (SELECT id FROM dead_message) ORDER BY id"
            )
        ]

    def what_must_stay(self) -> dict[str, list[Any]]:
        return {
            sql: self.rows(sql)
            for sql in (
                "SELECT * FROM incident WHERE state IN ('CREATED', 'DISPATCHED')",
                "SELECT risk_id, tier, max(episode) FROM incident GROUP BY risk_id, tier",
                "SELECT * FROM incident_alert",
                "SELECT * FROM message WHERE delivered_at IS NULL",
                "SELECT * FROM message WHERE kind LIKE 'kill%'",
                "SELECT * FROM dead_message",
                "SELECT * FROM kill_event",
                "SELECT * FROM silence WHERE ended_at IS NULL",
            )
        }

    def episode(self, risk_id: str = "a/1") -> None:
        """A breach from its beginning to its end, of which people are told."""
        since = self.now + timedelta(seconds=1)
        for firing in (True, False):
            for feed in (Feed.ALERTS, Feed.NOTIFICATIONS):
                self.take(feed, risk_id, firing=firing, since=since)

    def pruned(self) -> list[dict[str, int]]:
        return [
            event["removed"]
            for event in (
                json.loads(row[0])["details"]
                for row in self.rows(
                    "SELECT p.payload FROM audit_header h JOIN audit_payload p USING (seq) "
                    "WHERE CAST(h.header AS TEXT) LIKE '%RECORDS_PRUNED%' ORDER BY seq"
                )
            )
        ]


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = House(tmp_path, Retention(days=90, max_events=100_000))
    yield made
    made.writer.stop()


def test_what_is_over_for_longer_than_the_policy_says_goes_and_that_is_on_record(
    house: House,
) -> None:
    for _ in range(3):
        house.episode()
    house.batch(Batch(Feed.ALERTS, malformed=(Malformed("odd", b"{"),)))
    house.deliver(house.owed())
    house.now += timedelta(days=89)
    house.keeper.prune()
    assert house.pruned() == []
    house.now += timedelta(days=2)
    stays = house.what_must_stay()
    house.keeper.prune()
    assert house.what_must_stay() == stays
    assert house.rows("SELECT episode FROM incident") == [(3,)], "the latest carries the number"
    assert {row[0] for row in house.rows("SELECT episode FROM alert")} == {3}
    assert {row[0] for row in house.rows("SELECT subject FROM message")} == {"a/1:warning:3"}
    assert house.rows("SELECT * FROM quarantine") == []
    assert house.pruned() == [{"incident": 2, "quarantine": 1}]
    house.keeper.prune()
    assert house.pruned() == [{"incident": 2, "quarantine": 1}], "nothing went, nothing is told"
    assert verify_store(house.database).ok
    shown = dict(line.rsplit(" ", 1) for line in house.telemetry.exposition().decode().splitlines())
    assert float(shown['risk_store_rows{table="incident"}']) == 1
    assert float(shown["risk_store_pruned_time_seconds"]) == house.now.timestamp()


def test_a_dead_letter_goes_once_people_were_told_otherwise_or_it_was_dismissed(
    house: House,
) -> None:
    for _ in range(4):
        house.episode()
    first, second, third, *others = house.owed()
    house.deliver(others)
    house.give_up(first, taker="email")
    house.deliver([number for number in house.owed() if number > max(others)])
    house.give_up(second)
    house.writer.run(lambda t: dismiss(t, second, actor="olga", comment="old"), 10)
    house.give_up(third)
    house.now += timedelta(days=91)
    house.keeper.prune()
    left = house.rows("SELECT episode FROM incident ORDER BY episode")
    assert left == [(2,), (4,)], "of the second nobody was told anything"
    assert house.rows("SELECT id FROM dead_message") == [(third,)]
    for table in ("dealt_with", "takeover", "urgent_message"):
        assert house.rows(f"SELECT * FROM {table}") == []  # noqa: S608 - constants


def test_of_more_incidents_than_the_policy_says_the_oldest_go_but_none_within_a_day(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, Retention(days=90, max_events=5))
    for _ in range(8):
        house.episode()
    house.deliver(house.owed())
    house.keeper.prune()
    assert len(house.rows("SELECT 1 FROM incident")) == 8
    house.now += timedelta(days=2)
    house.keeper.prune()
    assert house.rows("SELECT episode FROM incident") == [(4,), (5,), (6,), (7,), (8,)]
    house.writer.stop()


def test_what_was_removed_before_a_crash_is_on_record_after_it(house: House) -> None:
    for _ in range(3):
        house.episode()
    house.deliver(house.owed())
    house.now += timedelta(days=100)
    house.writer.run(
        lambda t: t.connection.execute("INSERT INTO fact VALUES ('pruned:incident', '7')"), 10
    )
    house.keeper.prune()
    assert house.pruned() == [{"incident": 9}]
    assert house.rows("SELECT * FROM fact WHERE name LIKE 'pruned:%'") == []


class Sequences(RuleBasedStateMachine):
    """Alerts, deliveries, refusals, kills and time in any order, pruned as hard as can be."""

    RISKS = st.sampled_from(["a/1", "b/2", "c/3"])

    @initialize(days=st.integers(1, 3), most=st.integers(1, 4))
    def begin(self, days: int, most: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.house = House(Path(self.folder.name), Retention(days=days, max_events=most))
        self.ids: dict[str, str] = {}

    @rule(risk_id=RISKS, feed=st.sampled_from(Feed), firing=st.booleans(), kills=st.booleans())
    def alert(self, risk_id: str, feed: Feed, firing: bool, kills: bool) -> None:
        self.house.take(feed, risk_id, firing=firing, kills=kills)

    @rule(risk_id=RISKS)
    def episode(self, risk_id: str) -> None:
        self.house.episode(risk_id)

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.house.now += timedelta(hours=hours)
        self.house.expire()

    @rule(content=st.binary(min_size=1, max_size=1))
    def odd(self, content: bytes) -> None:
        self.house.batch(Batch(Feed.ALERTS, malformed=(Malformed("odd", content, asks=True),)))

    @precondition(lambda self: self.house.owed())
    @rule(most=st.integers(1, 9))
    def deliver(self, most: int) -> None:
        self.house.deliver(self.house.owed()[:most])

    @precondition(lambda self: self.house.owed())
    @rule()
    def refuse(self) -> None:
        self.house.give_up(self.house.owed()[0])

    @rule()
    def prune(self) -> None:
        before = self.house.what_must_stay()
        events = len(self.house.rows("SELECT 1 FROM audit_header"))
        told = len(self.house.pruned())
        self.house.keeper.prune()
        assert self.house.what_must_stay() == before
        new = len(self.house.rows("SELECT 1 FROM audit_header")) - events
        assert new == len(self.house.pruned()) - told <= 1, "the chain only grew, by its record"

    @invariant()
    def no_id_comes_again(self) -> None:
        for risk_id, tier, episode, created in self.house.rows(
            "SELECT risk_id, tier, episode, created_at FROM incident"
        ):
            assert self.ids.setdefault(f"{risk_id}:{tier}:{episode}", created) == created

    def teardown(self) -> None:
        if hasattr(self, "house"):
            assert verify_store(self.house.database).ok
            self.house.writer.stop()
            self.folder.cleanup()


TestWhatIsOpenOrOwedSurvives = Sequences.TestCase
TestWhatIsOpenOrOwedSurvives.settings = settings(max_examples=15, stateful_step_count=25)
