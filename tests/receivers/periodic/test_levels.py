"""Service levels at their edges: what is due as a period ends, what never came, what nobody saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_chain import DAY, NEXT_DAY, Desk, clock

from risk_policy import Policy, parse_policy
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.intake.alert import Feed
from risk_receivers.periodic.amounts import share
from risk_receivers.periodic.levels import Level, levels
from risk_receivers.periodic.measured import UNASKED, Measured, Up
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import Subject, gather
from risk_receivers.periodic.terms import Terms

Gather = Callable[..., Subject]
POLICY = parse_policy(
    b'[alerting.channels.email]\nenabled = true\nsmtp_host = "127.0.0.1"\n'
    b'to_addresses = ["desk@example.com"]\nmin_severity = "WARNING"\n'
)
ALERT = ("DRAWDOWN_CRITICAL", "drawdown/main", "critical", Severity.CRITICAL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path / "audit.db", POLICY)
    yield one
    one.stop()


def found(desk: Desk, start: datetime, end: datetime, policy: Policy = POLICY) -> dict[str, Level]:
    subject = gather(Terms.of(policy), desk.database, Period(start, end), made_at=end)
    return {one.name: one for one in subject.levels}


def test_what_begins_right_before_a_period_ends_is_judged_in_the_next(desk: Desk) -> None:
    desk.alert("11:59:31", "11:59:30", *ALERT)
    desk.alert("11:59:32", "11:59:30", *ALERT, feed=Feed.NOTIFICATIONS)
    desk.sent("12:05:00", "email", "drawdown/main:critical:1")
    desk.acked("13:00:00", "olga", "drawdown/main", "critical")
    before, after = found(desk, DAY, clock("12:00:00")), found(desk, clock("12:00:00"), NEXT_DAY)
    for name, late in (("breach to human", 330), ("acknowledgement", 3629)):
        assert (before[name].samples, before[name].verdict) == (0, "no data")
        assert (after[name].samples, after[name].reached) == (1, 0.0)
        assert after[name].seconds[1.0] == late


def test_what_is_counted_as_missed_is_not_counted_again_when_it_comes(desk: Desk) -> None:
    desk.alert("10:00:01", "10:00:00", *ALERT)
    desk.alert("10:00:02", "10:00:00", *ALERT, feed=Feed.NOTIFICATIONS)
    desk.sent("12:05:00", "email", "drawdown/main:critical:1")
    before, after = found(desk, DAY, clock("12:00:00")), found(desk, clock("12:00:00"), NEXT_DAY)
    assert (before["breach to human"].samples, before["breach to human"].reached) == (1, 0.0)
    assert after["breach to human"].samples == 0


@given(st.integers(1, 86_399) | st.sampled_from([36_031, 36_060, 36_061, 39_620, 43_212, 43_260]))
@settings(max_examples=40, deadline=None)
def test_no_case_falls_between_two_reports(day: Path, gathered: Gather, seconds: int) -> None:
    cut = DAY + timedelta(seconds=seconds)
    whole = {one.name: one.samples for one in gathered(day).levels}
    parts = [gathered(day, DAY, cut), gathered(day, cut, NEXT_DAY)]
    for name in ("breach to human", "breach to gate", "acknowledgement", "delivery"):
        counted = sum(one.samples for part in parts for one in part.levels if one.name == name)
        assert counted == whole[name], name


@pytest.mark.parametrize("action", ["kill_switch", "halt_new_trades", "reduce_size"])
def test_what_asked_for_the_gate_and_never_got_there_is_missed(desk: Desk, action: str) -> None:
    desk.alert("10:00:01", "10:00:00", *ALERT, action=action, feed=Feed.NOTIFICATIONS)
    gate = found(desk, DAY, NEXT_DAY)["breach to gate"]
    assert (gate.samples, gate.reached, gate.verdict) == (1, 0.0, "missed")
    assert "1 that asked for one and led to none count as missed" in gate.note


def test_what_the_gate_holds_already_need_not_get_there_again(desk: Desk) -> None:
    held = {"kind": "halt_new_trades", "scope": "*", "risk_id": "drawdown/main", "tier": "critical"}
    first = "drawdown/main:critical:1"
    desk.alert("10:00:01", "10:00:00", *ALERT, action="halt_new_trades")
    imposed = EventType.RESTRICTION_IMPOSED
    desk.event("10:00:01", imposed, alert_id=first, restriction="r1", **held)
    desk.alert("10:10:00", "10:00:00", *ALERT, action="halt_new_trades", firing=False)
    desk.event("10:10:00", EventType.RESTRICTION_LATCHED, restriction="r1", **held)
    desk.alert("11:00:01", "11:00:00", *ALERT, action="halt_new_trades")
    gate = found(desk, DAY, NEXT_DAY)["breach to gate"]
    assert (gate.samples, gate.reached) == (1, 1.0)


def test_a_kill_switch_that_was_tripped_before_is_no_miss(desk: Desk) -> None:
    desk.alert("10:00:01", "10:00:00", *ALERT, action="kill_switch")
    again = EventType.KILL_SWITCH_TRIGGER_RECORDED
    desk.event("10:00:01", again, alert_id="drawdown/main:critical:1", kill_id="k")
    assert found(desk, DAY, NEXT_DAY)["breach to gate"].verdict == "no data"


def test_what_was_over_before_the_gate_had_to_hold_is_no_case(desk: Desk) -> None:
    desk.alert("10:00:01", "10:00:00", *ALERT, action="halt_new_trades")
    desk.alert("10:00:02", "10:00:00", *ALERT, action="halt_new_trades", firing=False)
    assert found(desk, DAY, NEXT_DAY)["breach to gate"].samples == 0


def test_a_feed_was_silent_from_when_it_fell_silent_and_not_from_when_that_was_noticed(
    desk: Desk,
) -> None:
    desk.event("08:00:00", EventType.SERVICE_STARTED)
    desk.event("14:00:20", EventType.FEED_SILENT, feed="alerts", silent_seconds="20.000")
    desk.event("14:01:40", EventType.FEED_HEARD, feed="alerts")
    desk.event("18:00:00", EventType.ACCESS_REFUSED)
    watched = found(desk, DAY, NEXT_DAY)["limits watched"]
    assert watched.reached == pytest.approx(1 - 100 / 36_000)


def test_nobody_heard_prometheus_while_the_receivers_were_down(desk: Desk) -> None:
    desk.event("08:00:00", EventType.SERVICE_STARTED)
    desk.event("09:00:00", EventType.ACCESS_REFUSED)
    desk.event("12:00:00", EventType.SERVICE_STARTED)  # dead, or with nothing to record
    desk.event("18:00:00", EventType.ACCESS_REFUSED)
    watched = found(desk, DAY, NEXT_DAY)["limits watched"]
    assert (watched.reached, watched.verdict) == (1.0, "cannot be told")
    assert "for some of 3h 0m 0s before starts of the receivers nobody was there" in watched.note
    later = found(desk, clock("12:00:00"), NEXT_DAY)["limits watched"]
    assert later.verdict == "met"
    told = gather(Terms.of(POLICY), desk.database, Period(DAY, NEXT_DAY), made_at=NEXT_DAY).told
    for up, verdict in ((Up(1.0, 1.0), "met"), (Up(0.9, 1.0), "cannot be told")):
        measured = Measured(up={"riskwarden-receivers": up})
        seen = levels(told, Period(DAY, NEXT_DAY), measured, Terms.of(POLICY))
        assert {one.name: one.verdict for one in seen}["limits watched"] == verdict


@pytest.mark.parametrize(
    ("ratio", "covered", "verdict"),
    [
        (1.0, 1.0, "met"),
        (1.0, 0.9995, "met"),
        (1.0, 0.5, "cannot be told"),  # what was down was not scraped either
        (1.0, 0.0001, "cannot be told"),
        (0.9985, 0.9999, "missed"),
        (0.5, 0.5, "missed"),
        (0.9985, 0.1, "cannot be told"),
    ],
)
def test_time_in_which_nobody_looked_is_neither_up_nor_down(
    day: Path, gathered: Gather, ratio: float, covered: float, verdict: str
) -> None:
    up = dict.fromkeys(("prometheus", "riskwarden-exporter"), Up(ratio, covered))
    told = gathered(day).told
    for one in levels(told, Period(DAY, NEXT_DAY), Measured(up=up), Terms.of(POLICY)):
        if one.name in ("uptime of Prometheus", "uptime of exporter"):
            assert one.verdict == verdict
            assert one.reached == ratio
            assert ("of the rest nobody knows" in one.note) is (covered < 1)
    unasked = levels(told, Period(DAY, NEXT_DAY), UNASKED, Terms.of(POLICY))
    assert {one.verdict for one in unasked if "uptime" in one.name} == {"no data"}


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.0, "100%"), (0.99999999, "99.999%"), (0.99896, "99.896%"), (0.999, "99.9%"),
        (2 / 3, "66.66%"), (0.5, "50%"), (0.29, "29%"), (0.0, "0%"),
    ],
)  # fmt: skip
def test_a_share_is_never_said_to_be_more_than_it_is(ratio: float, said: str) -> None:
    assert share(ratio) == said
