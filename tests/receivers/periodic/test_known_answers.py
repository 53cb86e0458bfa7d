"""Every figure of a day that was counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told_chain import DAY, NEXT_DAY, Desk, clock

from risk_policy import parse_policy
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.document.forms import Form, written
from risk_receivers.document.markdown import markdown
from risk_receivers.intake.alert import Feed
from risk_receivers.periodic import figures
from risk_receivers.periodic.figures import Totals, totals
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.subject import Subject, gather
from risk_receivers.periodic.terms import Terms

Gather = Callable[..., Subject]


def test_everything_that_is_counted(day: Path, gathered: Gather) -> None:
    assert gathered(day).totals == Totals(
        alerts=4,
        critical=2,
        emergency=1,
        escalations=1,
        resolved=2,
        expired=0,
        acks=2,
        blocked=3,
        kills=1,
        force_closed=2,
        restrictions=1,
        delivered=4,
        given_up=1,
        taken_over=1,
        refused_access=1,
        events=35,
        gone=0,
    )


def test_how_alerts_are_spread_and_how_long_they_waited(day: Path, gathered: Gather) -> None:
    subject = gathered(day)
    assert figures.by_category(subject.told, subject.period) == {"drawdown": 3, "position": 1}
    assert figures.ack_seconds(subject.told, subject.period) == [240, 600]
    assert figures.silent_seconds(subject.told, subject.period) == {"alerts": 144}


def test_service_levels_and_how_many_cases_they_rest_on(day: Path, gathered: Gather) -> None:
    levels = {one.name: one for one in gathered(day).levels}
    human = levels["breach to human"]
    assert (human.reached, human.samples, human.verdict) == (pytest.approx(2 / 3), 3, "missed")
    assert dict(human.seconds) == {0.5: 12, 0.95: 31, 0.99: 31, 1.0: 31}
    gate = levels["breach to gate"]
    assert (gate.reached, gate.samples) == (0.5, 2)
    assert dict(gate.seconds) == {0.5: 1, 0.95: 3, 0.99: 3, 1.0: 3}
    acked = levels["acknowledgement"]
    assert (acked.reached, acked.samples) == (pytest.approx(1 / 3), 3)
    delivery = levels["delivery"]
    assert (delivery.reached, delivery.samples, delivery.is_met) == (0.8, 5, False)
    # 144 s of the eight hours from the first record to the last.
    assert levels["limits watched"].reached == pytest.approx(1 - 144 / 28_800)
    assert levels["uptime of exporter"].verdict == "no data"
    assert levels["uptime of exporter"].reached is None


def test_without_a_case_no_objective_is_met(day: Path, gathered: Gather) -> None:
    quiet = gathered(day, NEXT_DAY, NEXT_DAY + timedelta(days=1))
    assert {one.verdict for one in quiet.levels} == {"no data"}
    said = markdown(KINDS["sla"].write(quiet))
    assert "| Objectives met | 0 |" in said
    assert "100%" not in said.replace("99.9%", "")


EMAIL = (
    '[alerting.channels.email]\nenabled = true\nsmtp_host = "127.0.0.1"\n'
    'to_addresses = ["desk@example.com"]\nmin_severity = "{}"\n'
)


@pytest.mark.parametrize(
    ("least", "handed_on", "sent", "reached"),
    [
        ("CRITICAL", True, "", 0.0),
        ("CRITICAL", True, "resolved", 0.0),
        ("CRITICAL", True, "firing", 1.0),
        ("CRITICAL", False, "", None),
        ("EMERGENCY", True, "", None),
    ],
)
def test_who_should_have_been_told_and_was_not_counts_as_missed(
    tmp_path: Path, least: str, handed_on: bool, sent: str, reached: float | None
) -> None:
    policy = parse_policy(EMAIL.format(least).encode())
    desk = Desk(tmp_path / "audit.db", policy)
    about = ("DRAWDOWN_CRITICAL", "drawdown/main", "critical", Severity.CRITICAL)
    desk.alert("10:00:01", "10:00:00", *about)
    if handed_on:
        desk.alert("10:00:02", "10:00:00", *about, feed=Feed.NOTIFICATIONS)
    if sent:
        desk.sent("10:00:09", "email", "drawdown/main:critical:1", sent)
    desk.stop()
    period = Period(DAY, NEXT_DAY)
    subject = gather(Terms.of(policy), desk.database, period, made_at=NEXT_DAY)
    assert subject.levels[0].name == "breach to human"
    assert subject.levels[0].reached == reached


def told_desk(tmp_path: Path, tell: Callable[[Desk], None]) -> Subject:
    desk = Desk(tmp_path / "audit.db")
    desk.alert(
        "10:00:01", "10:00:00", "DRAWDOWN_CRITICAL", "drawdown/main", "critical", Severity.CRITICAL
    )
    tell(desk)
    desk.stop()
    period = Period(DAY, NEXT_DAY)
    return gather(Terms.of(desk.policy), desk.database, period, made_at=NEXT_DAY)


def test_the_first_who_was_told_counts_and_on_time_is_on_time(tmp_path: Path) -> None:
    def tell(desk: Desk) -> None:
        desk.sent("10:01:00", "slack", "drawdown/main:critical:1")
        desk.sent("10:05:00", "email", "drawdown/main:critical:1")

    human = told_desk(tmp_path, tell).levels[0]
    assert (human.reached, dict(human.seconds)[1.0]) == (1.0, 60)


def test_what_another_channel_took_over_was_not_given_up(tmp_path: Path) -> None:
    subject = told_desk(
        tmp_path,
        lambda desk: desk.failed("10:00:20", "slack", "drawdown/main:critical:1", taker="email"),
    )
    assert subject.levels[0].reached is None
    assert (subject.totals.given_up, subject.totals.taken_over) == (0, 1)


def test_only_what_waits_for_a_person_is_said_to_wait_for_one(tmp_path: Path) -> None:
    def tell(desk: Desk) -> None:
        kinds = (EventType.RESTRICTION_IMPOSED, EventType.RESTRICTION_LATCHED)
        for kind, name in ((kinds[0], "r1"), (kinds[0], "r2"), (kinds[1], "r2")):
            desk.event("10:00:02", kind, restriction=name, kind="halt_new_trades", scope="*")

    said = markdown(KINDS["daily"].write(told_desk(tmp_path, tell)))
    assert "(1 latched: r2; rule: trading halted until resumed)" in said


def test_what_comes_to_count_as_critical_is_an_escalation(tmp_path: Path) -> None:
    def tell(desk: Desk) -> None:
        for severity, when in ((Severity.WARNING, "10:10:01"), (Severity.CRITICAL, "10:20:01")):
            escalation = "none" if severity is Severity.WARNING else "time"
            about = ("LEVERAGE_WARNING", "leverage/main", "warning", severity)
            desk.alert(when, "10:10:00", *about, escalation=escalation)

    counted = told_desk(tmp_path, tell).totals
    assert (counted.alerts, counted.critical, counted.escalations) == (2, 1, 1)


def test_the_compliance_report_says_what_was_counted(day: Path, gathered: Gather) -> None:
    said = markdown(KINDS["compliance"].write(gathered(day)))
    for line in (
        "**Period:** 2026-03-02 (UTC)",
        "**On record until:** 2026-03-02 16:00:00 (UTC)",
        "✅ Chain validation: PASSED, all 35 records to the end of the chain; 0 of them are",
        "| Total Alerts | 4 |",
        "| Critical Alerts | ❗ 2 |",
        "| Emergency Alerts | 🚨 1 |",
        "| Trades Blocked | ⚠️ 3 |",
        "| Kill Switch Activations | 🚨 1 |",
        "| drawdown | 3 | 75% |",
        "| position | 1 | 25% |",
        (
            "| 2026-03-02 10:00:01 | DRAWDOWN_CRITICAL | drawdown/main | ❗ critical | "
            "10.5% / 10% | 30m 0s | by ivan after 10m 0s |"
        ),
        (
            "| 2026-03-02 11:00:01 | POSITION_SIZE_BREACH | position_size/main/AAPL | "
            "🚨 critical → emergency | 10.5% / 10% | 12h 59m 59s so far | no |"
        ),
        "| main | exposure | 3 |",
        "| 2026-03-02 13:00:00 | main | buy 10 IBM at 99.5 | exposure | exposure |",
        (
            "| 2026-03-02 12:00:03 | everything | immediate | DRAWDOWN_EMERGENCY | "
            "drawdown is 21 % | 2 closed, 0 orders cancelled | after 2s | "
            "2026-03-02 12:30:03 by olga: the feed was wrong |"
        ),
        "| 2026-03-02 09:04:01 | drawdown/main | olga | 4m 0s | I am on it |",
        "2 measured: median 4m 0s, 95 % within 10m 0s, longest 10m 0s.",
        "✅ Chain validation: PASSED.",
        "| ALERT_CREATED | 4 | 0 |",
    ):
        assert line in said, line


def test_the_daily_report_says_what_is_open_and_what_nobody_knows(
    day: Path, gathered: Gather
) -> None:
    said = markdown(KINDS["daily"].write(gathered(day)))
    for line in (
        "| Open now | ⚠️ 2 | warning or worse |",
        "| feed of Prometheus silent | 2m 24s |",
        "| starts of the receivers | 1 |",
        "| email | 2 | 0 | ❗ 1 | 66.66% |",
        "| slack | 2 | 1 | 0 | 66.66% |",
        "| 2026-03-02 16:00:00 | kill | paper | ✅ PASS |",
        "Prometheus was not asked; what it measures is left out.",
    ):
        assert line in said, line


def test_what_is_advised_names_its_rule_and_its_figure(day: Path, gathered: Gather) -> None:
    said = markdown(KINDS["weekly"].write(gathered(day)))
    for line in (
        "(1 open at the end of the period; rule: critical and unanswered)",
        "(1 given up and taken over by nobody; rule: messages given up)",
        "(alerts for 2m 24s; rule: feed silent)",
        "(1 message taken over; rule: taken over)",
        "(1 refusal on record; rule: access refused)",
    ):
        assert line in said, line
    for silent in ("kill switch in force", "frequent alert", "more than before", "open for long"):
        assert f"rule: {silent}" not in said


def test_where_nothing_happened_nothing_is_advised(tmp_path: Path, gathered: Gather) -> None:
    desk = Desk(tmp_path / "audit.db")
    desk.event("08:00:00", EventType.SERVICE_STARTED)
    desk.stop()
    said = markdown(KINDS["daily"].write(gathered(tmp_path / "audit.db")))
    assert "Nothing waits for anybody." in said
    assert "The figures suggest nothing." in said


#: Among others right when something happened, which then belongs to the second part.
CUTS = st.integers(1, 86_399) | st.sampled_from(
    [int((clock(when) - DAY).total_seconds()) for when in ("13:00:00", "11:05:01", "12:00:03")]
)


@given(CUTS)
@settings(max_examples=40, deadline=None)
def test_the_figures_of_a_split_day_add_up(day: Path, gathered: Gather, seconds: int) -> None:
    cut = DAY + timedelta(seconds=seconds)
    whole = gathered(day)
    parts = [totals(whole.told, Period(DAY, cut)), totals(whole.told, Period(cut, NEXT_DAY))]
    for name in Totals.__dataclass_fields__:
        assert sum(getattr(part, name) for part in parts) == getattr(whole.totals, name), name


def test_a_report_on_a_part_of_the_day_counts_the_same(day: Path, gathered: Gather) -> None:
    noon = clock("12:00:00")
    morning, afternoon = gathered(day, DAY, noon), gathered(day, noon, NEXT_DAY)
    assert (morning.totals.alerts, afternoon.totals.alerts) == (3, 1)
    assert (morning.totals.kills, afternoon.totals.kills) == (0, 1)
    # What began in the morning is known in the afternoon's report, too.
    assert "| Open now | ⚠️ 2 |" in markdown(KINDS["daily"].write(afternoon))


@pytest.mark.parametrize("form", [Form.MARKDOWN, Form.HTML])
@pytest.mark.parametrize("name", KINDS)
def test_every_report_has_every_form(day: Path, gathered: Gather, name: str, form: Form) -> None:
    assert len(written(KINDS[name].write(gathered(day)), form)) > 1000


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (DAY, NEXT_DAY, "2026-03-02 (UTC)"),
        (DAY, DAY + timedelta(days=7), "2026-03-02 to 2026-03-08 (UTC)"),
        (clock("06:00:00"), clock("07:30:00"), "2026-03-02 06:00 to 2026-03-02 07:30 (UTC)"),
    ],
)
def test_a_period_is_named_by_its_days(start: datetime, end: datetime, shown: str) -> None:
    assert str(Period(start, end)) == shown
