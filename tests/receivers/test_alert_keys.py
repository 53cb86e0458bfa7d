"""A trip by an alert that waited aside while another service recorded it is a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from writers import writing

from risk_policy import parse_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.gate import GateDetail, read_detail, write_detail
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_policy.model.stack import AutomaticScope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.channels.outbox import Outbox
from risk_receivers.intake.alert import Alert, Batch, Feed
from risk_receivers.kill import journal
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import own_id
from risk_receivers.kill.clearing import Codes, Request, What
from risk_receivers.kill.loosening import Loosening, Step
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import AlertKill, OperatorKill, SpooledTrip, TimeoutKill
from risk_receivers.leadership.left_behind import LeftBehind, is_left_behind
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.recovery import recover
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def emergency(
    *, over: bool = False, risk_id: str = "drawdown/main", account: str = "main"
) -> Alert:
    ends_at = BEGAN + timedelta(minutes=1) if over else utc_now() + timedelta(minutes=1)
    return Alert(
        Feed.ALERTS, not over, "DRAWDOWN_EMERGENCY", risk_id, "emergency",
        Severity.EMERGENCY, None, "kill_switch", BEGAN, ends_at, {"account": account},
    )  # fmt: skip


def loosen(writer: Writer, what: What, kill_id: str = "") -> None:
    loosening = Loosening(Outbox({}), Codes(60), SecondFactor())

    def work(transaction: Transaction) -> None:
        step = Step(Request(what, kill_id, "ann", "why"), "", "here")
        _, code = loosening.ask(transaction, step, blind="", unrecorded=False)
        again = Step(step.request, code, "here")
        done = loosening.confirm(transaction, again, blind="", unrecorded=False)
        assert not done.refusal

    writer.run(work, 10)


def clear(writer: Writer) -> None:
    board = writer.run(lambda transaction: journal.load(transaction.connection), 10)
    for one in board.in_force:
        loosen(writer, What.CLEAR, one.kill_id)


def arm(writer: Writer) -> None:
    loosening = Loosening(Outbox({}), Codes(60), SecondFactor())
    step = Step(Request(What.CLEAR, "", "ann", "why"), "", "here")
    assert not writer.run(lambda transaction: loosening.arm(transaction, step), 10).refusal


class Desk:
    """A service of its own, and what another one that led has recorded."""

    def __init__(self, data: Path, writer: Writer, scope: AutomaticScope) -> None:
        self.data = data
        self.writer = writer
        text = f"[alerting.kill_switch]\nautomatic_scope = '{scope}'\n"
        self.policy = parse_policy(text.encode(), environ={})
        self.automatic = Automatic(KillMode.PAUSE, scope)
        outbox = Outbox({})
        self.ledger = Ledger(
            Teller(outbox, Terms.from_policy(self.policy)),
            self.automatic,
            Restricting(self.policy, outbox),
        )

    def merged(self, *trips: SpooledTrip) -> bool:
        return self.writer.run(lambda one: self.ledger.merge_spool(one, trips), 10).tripped

    def take(self, alert: Alert) -> None:
        """By another service, which led meanwhile."""
        batch = Batch(Feed.ALERTS, (alert,))
        self.writer.run(lambda one: self.ledger.take_batch(one, batch, utc_now(), "its-kill"), 10)

    def waiting(self, name: str, alert: Alert) -> SpooledTrip:
        # Its clock is far behind that of whoever records it.
        at, known = utc_now() - timedelta(days=1), self.writer.head.size
        return SpooledTrip(name, f"kill-{name}", at, AlertKill(alert), known)


@pytest.fixture(params=list(AutomaticScope))
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    with writing(tmp_path / "receivers.db") as writer:
        yield Desk(tmp_path, writer, request.param)


def test_what_was_recorded_since_trips_nothing_again(desk: Desk) -> None:
    before, other = desk.waiting("one", emergency()), emergency(risk_id="drawdown/other")
    assert desk.merged(desk.waiting("other", other)), "nobody has recorded it"
    desk.take(emergency(over=True, risk_id="drawdown/other"))
    clear(desk.writer)
    desk.take(emergency())
    desk.take(emergency(over=True))
    clear(desk.writer)
    assert not desk.merged(before), "it was recorded, it is over, and people have cleared it"
    rows = desk.writer.run(
        lambda t: t.connection.execute("SELECT state FROM incident").fetchall(), 10
    )
    assert rows == [("RESOLVED",)] * 2

    assert desk.merged(desk.waiting("two", emergency())), "the same one that was heard since does"


@pytest.mark.parametrize("account", ["main", "ann@desk"])
def test_however_the_key_of_its_trigger_is_written(desk: Desk, account: str) -> None:
    firing, over = emergency(account=account), emergency(over=True, account=account)
    loosen(desk.writer, What.DISARM)
    desk.take(firing)
    before = desk.waiting("one", firing)
    arm(desk.writer)
    desk.take(firing)  # under a key that says how often it began anew
    desk.take(over)
    clear(desk.writer)
    assert not desk.merged(before)


def test_what_began_after_all_that_was_recorded_is_none_of_it(desk: Desk) -> None:
    """Who leads no more knows of few records, and may be the only one that hears of it."""
    known = desk.writer.head.size
    desk.take(emergency())
    desk.take(emergency(over=True))
    clear(desk.writer)
    at_once, later = (
        structs.replace(emergency(), starts_at=utc_now() + timedelta(seconds=seconds))
        for seconds in (5, 300)
    )
    assert not desk.merged(structs.replace(desk.waiting("one", at_once), known=known))
    assert desk.merged(structs.replace(desk.waiting("two", later), known=known))


def published(desk: Desk, kill_id: str) -> Kill:
    """What the gate was closed for by the same alert, where it was kept aside."""
    scope = desk.automatic.scope_of(emergency())
    held = Kill(
        mode=KillMode.IMMEDIATE, id=own_id(kill_id, scope), cause="DRAWDOWN_EMERGENCY",
        level="emergency", since=BEGAN, scope=scope,
    )  # fmt: skip
    gate = desk.data / "gate"
    gate.mkdir()
    both = (held, held.model_copy(update={"id": "other", "scope": Scope(account="other")}))
    write_detail(
        gate,
        GateDetail(version=3, halted=True, restrictions=both, policy_digest="", written_at=BEGAN),
    )
    return held


def kept(desk: Desk, *trips: SpooledTrip) -> Spool:
    spool = Spool(desk.data / "spool")
    spool.open()
    for one in trips:
        spool.add(one)
    spool.close()
    return Spool(desk.data / "spool")


def in_force_anew(desk: Desk) -> set[str]:
    """The ids of the kills that are in force once this service leads."""
    spool = Spool(desk.data / "spool")
    try:
        found = recover(
            *(desk.policy, desk.data, desk.writer, desk.ledger, spool), found_halted=False
        )
    finally:
        spool.close()
    return {one.kill_id for one in found.state.in_force}


def test_neither_does_the_gate_that_was_closed_for_it(desk: Desk) -> None:
    waits = desk.waiting("one", emergency())
    published(desk, waits.kill_id)
    desk.take(emergency())
    desk.take(emergency(over=True))
    clear(desk.writer)
    kept(desk, waits)
    assert in_force_anew(desk) == {"other"}, "by another id it was on record, and is cleared"


def standing_by(desk: Desk) -> LeftBehind:
    """Of whom no leader can be asked now, only the record."""
    place = desk.data / "receivers.db"
    return LeftBehind(
        desk.data, lambda: "127.0.0.1:1", desk.automatic, place, token="", telemetry=Telemetry()
    )


def test_neither_does_it_once_it_was_forgotten_by_who_stands_by(desk: Desk) -> None:
    waits = desk.waiting("one", emergency())
    held = published(desk, waits.kill_id)
    kept(desk, waits)
    standing_by(desk).round()
    assert is_left_behind(desk.data), "nobody has it on record"
    desk.take(emergency())
    standing_by(desk).round()
    assert not is_left_behind(desk.data)
    (on_record,) = desk.writer.run(lambda one: journal.load(one.connection), 10).in_force
    found = read_detail(desk.data / "gate")
    assert found is not None
    assert found.version > 3
    as_recorded = held.model_copy(update={"id": on_record.kill_id})
    assert {as_recorded, "other"} == {one if one.id != "other" else "other" for one in found.kills}
    assert found.halted
    desk.take(emergency(over=True))
    clear(desk.writer)
    assert in_force_anew(desk) == {"other"}


def test_the_end_of_a_kills_time_waits_as_long_as_the_kill_does(desk: Desk) -> None:
    kill = OperatorKill(KillMode.GRACEFUL, "a reason", "ann")
    given = SpooledTrip("given", "kill-given", utc_now(), kill)
    (desk.data / "gate").mkdir()
    kept(desk, given, SpooledTrip("over", "kill-given", utc_now(), TimeoutKill()))
    standing_by(desk).round()
    spool = kept(desk)
    spool.open()
    assert {one.id for one in spool.pending} == {"given", "over"}, "nobody could be told of it"
    spool.merged([given])
    spool.close()
    standing_by(desk).round()
    assert not is_left_behind(desk.data), "alone it is the end of nothing"
