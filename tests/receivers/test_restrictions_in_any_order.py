"""No order of breaches, deaths and restarts lifts a restriction too early, or keeps it for ever.

A small world second by second: an account that is in breach or not, a Prometheus that may be down
and then needs a while before its rules can judge again, a service that may restart. What is real is
all that the service decides with: lifecycle, record, pulse and patience.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.contracts.gate import GateDetail, read_detail, write_detail
from risk_policy.contracts.restriction import RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit import tables as audit_tables
from risk_receivers.audit.chain import EMPTY
from risk_receivers.channels.outbox import Outbox
from risk_receivers.gate.pulse import Pulse
from risk_receivers.incidents.table import overdue
from risk_receivers.intake.alert import Alert, Batch, Feed
from risk_receivers.kill.automatic import Automatic
from risk_receivers.ledger import Ledger, Outcome
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.restrictions import table
from risk_receivers.restrictions.held import MOST, Held, Standing, published
from risk_receivers.restrictions.patience import Patience
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.schema import SCHEMA
from risk_receivers.store.transaction import Transaction
from risk_runtime import Order, Side

POLICY: Final = load_policy(default_policy_path(), {})
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LEASE, SILENCE, RESTARTED, PATIENCE = 4, 3, 6, 10
STEPS: Final = ("breach", "calm", "die", "start", "restart", "wait", "lose")


class World:
    """Everything there is."""

    def __init__(self, alertname: str, action: str) -> None:
        self.alertname, self.action = alertname, action
        self.second = 0
        self.connection = sqlite3.connect(":memory:")
        audit_tables.prepare(self.connection)
        for statement in SCHEMA:
            self.connection.execute(statement)
        self.head = EMPTY
        self.run_on(POLICY)
        self.breached = self.delivered = self.was_firing = False
        self.up_since: int | None = 0
        self.began = START
        self.ends: list[Alert] = []
        self.losing = 0
        self.restart_receivers()

    def run_on(self, policy: Policy) -> None:
        outbox = Outbox({"file": Severity.DEBUG})
        self.ledger = Ledger(
            Teller(outbox, Terms()), Automatic(KillMode.PAUSE), Restricting(policy, outbox)
        )

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def clock(self) -> int:
        return self.second * 1_000_000_000

    def restart_receivers(self) -> None:
        self.pulse = Pulse(SILENCE, self.clock)
        self.patience = Patience(PATIENCE, self.clock)
        self.patient_until = self.second + LEASE

    def step(self, what: str) -> None:
        match what:
            case "breach" if not self.breached:
                self.breached, self.delivered = True, False
            case "calm":
                self.breached = False
            case "die":
                self.up_since, self.was_firing, self.ends = None, False, []
            case "start" if self.up_since is None:
                self.up_since = self.second
            case "restart":
                self.restart_receivers()
            case "lose":  # what Prometheus sends does not arrive
                self.losing = self.second + 3

    def transaction(self) -> Transaction:
        return Transaction(self.connection, self.now, self.head, "test", AuditRetention())

    def record(self, alerts: list[Alert]) -> Outcome:
        transaction = self.transaction()
        batch = Batch(Feed.ALERTS, tuple(alerts))
        outcome = self.ledger.take_batch(transaction, batch, self.now, "")
        self.head = transaction.head
        return outcome

    def alert(self, *, firing: bool) -> Alert:
        labels = {"account": "main", "alertname": self.alertname}
        ends = self.now + timedelta(seconds=LEASE) if firing else self.now
        return Alert(
            Feed.ALERTS, firing, self.alertname, "some/main", "critical", Severity.CRITICAL,
            Category.DRAWDOWN, self.action, self.began, ends, labels,
        )  # fmt: skip

    def prometheus(self) -> None:
        if self.up_since is None:
            return
        can_judge = self.second - self.up_since >= RESTARTED or not self.up_since
        fires = self.breached and can_judge
        if fires and not self.was_firing:
            self.began, self.ends = self.now, []
        if self.was_firing and not fires:
            self.ends = [self.alert(firing=False)]
        self.was_firing = fires
        if self.second < self.losing:
            return
        self.pulse.beat()
        if fires:
            self.delivered = True
        if alerts := [self.alert(firing=True)] if fires else self.ends:
            self.record(alerts)

    def receivers(self) -> None:
        if self.second >= self.patient_until:
            transaction = self.transaction()
            self.ledger.expire(transaction, self.now, overdue(self.connection, self.now))
            self.head = transaction.head
        doubtful = table.doubtful(self.connection)
        heard = self.pulse.heard_since_ns
        if over := self.patience.over(doubtful, heard_since_ns=heard, blind=False):
            transaction = self.transaction()
            self.ledger.let_go(transaction, over)
            self.head = transaction.head

    def restored(self) -> tuple[str, ...]:
        """What a start finds wrong with the table."""
        transaction = self.transaction()
        problems = self.ledger.restricting.restore(transaction)
        self.head = transaction.head
        return problems

    @property
    def held(self) -> list[Held]:
        return table.every(self.connection)

    def tick(self) -> None:
        self.second += 1
        self.prometheus()
        self.receivers()
        if self.breached and self.delivered:
            assert self.held, f"lifted at {self.second} s although its alert goes on"


STORY = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 25)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(STORY)
def test_it_is_never_lifted_while_its_alert_goes_on_and_not_held_for_ever(
    story: list[tuple[str, int]],
) -> None:
    world = World("SPREAD_WIDE", "pause_new_entries")
    for what, seconds in story:
        world.step(what)
        for _ in range(seconds):
            world.tick()
        before = world.held
        assert world.restored() == (), "a start invents nothing"
        world.connection.execute("DELETE FROM restriction")
        assert len(world.restored()) == len(before)
        assert [one.restriction for one in world.held] == [one.restriction for one in before]
    for what in ("calm", "start"):
        world.step(what)
    for _ in range(LEASE + SILENCE + RESTARTED + 2 * PATIENCE):
        world.tick()
    assert world.held == []


@settings(max_examples=25, deadline=None)
@given(STORY)
def test_one_that_wants_a_person_is_never_lifted_by_itself(story: list[tuple[str, int]]) -> None:
    world = World("INTRADAY_DRAWDOWN_CRITICAL", "halt_new_trades")
    was_held = False
    for what, seconds in story:
        world.step(what)
        for _ in range(seconds):
            world.tick()
            was_held = was_held or bool(world.held)
            assert len(world.held) == was_held
    assert world.restored() == ()


def test_a_prometheus_that_dies_and_comes_back_shows_no_window() -> None:
    world = World("SPREAD_WIDE", "pause_new_entries")
    world.step("breach")
    for _ in range(5):
        world.tick()
    world.step("die")
    for _ in range(60):
        world.tick()
    assert world.pulse.complaint  # no lease
    assert [one.standing.value for one in world.held] == ["DOUBTFUL"]
    world.step("start")
    for _ in range(RESTARTED + 1):
        world.tick()
    assert not world.pulse.complaint
    assert [one.standing.value for one in world.held] == ["FIRING"]


def test_while_limits_cannot_be_judged_nothing_that_expired_is_let_go() -> None:
    clock = [0]
    patience = Patience(10, lambda: clock[0] * 1_000_000_000)
    for second in range(100):
        clock[0] = second
        over = patience.over(["r1"], heard_since_ns=0, blind=second % 10 == 9)
        assert over == ()
    for second in range(100, 111):
        clock[0] = second
        over = patience.over(["r1"], heard_since_ns=0, blind=False)
    assert over == ("r1",)


def test_more_than_readers_take_are_published_wider_and_never_as_less() -> None:
    held = [
        Held(
            f"r{number}", f"position_size/main/S{number}", "critical", RestrictionKind.BLOCK_TRADE,
            Scope(account="main", symbol=f"S{number}"), None, "POSITION_SIZE_BREACH",
            Severity.CRITICAL, START, "some:1", False, Standing.FIRING,
        )
        for number in range(MOST + 1)
    ]  # fmt: skip
    assert len(published(held[:MOST])) == MOST
    (one,) = published(held)
    assert (one.kind, one.scope) == (RestrictionKind.BLOCK_TRADE, Scope(account="main"))
    assert one.cause == f"POSITION_SIZE_BREACH and {MOST} more"


def test_names_however_long_never_make_the_gate_unreadable(tmp_path: Path) -> None:
    def every(length: int, accounts: int) -> list[Held]:
        return [
            Held(
                f"r{number}", f"position_size/{number}", "critical", RestrictionKind.BLOCK_TRADE,
                Scope(account=f"{number % accounts}".ljust(length, "é"), symbol=f"S{number}"),
                None, "POSITION_SIZE_BREACH", Severity.CRITICAL, START, "some:1", False,
                Standing.FIRING,
            )
            for number in range(MOST)
        ]  # fmt: skip

    found = {}
    for length, accounts in ((1, 1), (1000, 10), (1000, MOST)):
        held = every(length, accounts)
        restrictions = published(held)
        detail = GateDetail(
            version=1, halted=False, restrictions=restrictions, policy_digest="", written_at=START
        )
        write_detail(tmp_path, detail)
        assert read_detail(tmp_path) == detail, "else every order of everybody is refused"
        for one in held[::50]:  # none of them is let go
            order = Order(one.scope.symbol, Side.BUY, 1, 1.0, account=one.scope.account)
            assert any(each.scope.may_cover(order) for each in restrictions)
        found[length, accounts] = len(restrictions)
    assert found == {(1, 1): MOST, (1000, 10): 10, (1000, MOST): 1}


def policy_with(folder: Path, losses: str, drawdown: str) -> Policy:
    (folder / "policy.toml").write_text(
        f"[alerting.circuit_breakers.consecutive_losses]\n{losses}\n"
        f"[alerting.circuit_breakers.drawdown]\n{drawdown}\n"
    )
    return load_policy(folder / "policy.toml", {})


def test_a_stricter_policy_holds_for_what_is_held_already_and_a_laxer_one_does_not(
    tmp_path: Path,
) -> None:
    lax = policy_with(
        tmp_path,
        "reduced_size_pct = 60\nfurther_reduced_size_pct = 40",
        "require_manual_resume = false",
    )
    strict = policy_with(
        tmp_path,
        "reduced_size_pct = 30\nfurther_reduced_size_pct = 20",
        "require_manual_resume = true",
    )
    streak = World("CONSECUTIVE_LOSSES_CRITICAL", "reduce_size")
    breaker = World("INTRADAY_DRAWDOWN_CRITICAL", "halt_new_trades")
    for policy, ratio, latches in ((lax, 0.4, False), (strict, 0.2, True), (lax, 0.2, True)):
        for world in (streak, breaker):
            world.run_on(policy)
            world.step("breach")
            world.tick()
        (smaller,), (halted,) = streak.held, breaker.held
        assert smaller.size_ratio == ratio
        assert halted.latches is latches
    breaker.step("calm")
    breaker.tick()
    assert [one.standing for one in breaker.held] == [Standing.LATCHED]


def test_what_was_loosened_in_the_table_is_again_what_the_chain_tells() -> None:
    streak = World("CONSECUTIVE_LOSSES_CRITICAL", "reduce_size")
    breaker = World("INTRADAY_DRAWDOWN_CRITICAL", "halt_new_trades")
    for world, change in (
        (streak, "size_ratio = 0.99"),
        (streak, 'scope = \'{"symbol": "NOBODYS"}\''),
        (breaker, "latches = 0"),
        (breaker, "kind = 'reduce_size', size_ratio = 0.99"),
    ):
        world.step("breach")
        world.tick()
        (before,) = world.held
        world.connection.execute(f"UPDATE restriction SET {change}")  # noqa: S608 - from above
        assert world.restored() == (f"{before.id} was changed in the table of restrictions",)
        assert world.held == [before]
    breaker.step("calm")
    breaker.tick()
    breaker.connection.execute("DELETE FROM restriction")
    breaker.restored()
    assert [one.standing for one in breaker.held] == [Standing.LATCHED], "for a person to end"


def test_what_was_lifted_stays_so_when_the_record_of_that_is_pruned() -> None:
    world = World("SPREAD_WIDE", "pause_new_entries")
    world.step("breach")
    world.tick()
    world.step("calm")
    world.tick()
    assert world.held == []
    newest = world.connection.execute("SELECT max(seq) FROM audit_header").fetchone()
    world.connection.execute("DELETE FROM audit_payload WHERE seq = ?", newest)
    assert world.restored() == ()
    assert world.held == []
