"""What began before a period, what is not over after it, and a chain that ends before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_chain import DAY, KILL_ID, NEXT_DAY, Desk, clock

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.document.markdown import markdown
from risk_receivers.periodic.figures import percents
from risk_receivers.periodic.in_short import in_short
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.subject import Subject

Gather = Callable[..., Subject]
ALERT = ("DRAWDOWN_CRITICAL", "drawdown/main", "critical", Severity.CRITICAL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path / "audit.db")
    yield one
    one.stop()


def test_a_breach_that_stood_open_all_the_time_is_in_the_report_on_it(
    desk: Desk, gathered: Gather
) -> None:
    desk.alert("10:00:01", "10:00:00", *ALERT)
    desk.alert("20:00:00", "10:00:00", *ALERT, firing=False)
    period = gathered(desk.database, clock("12:00:00"), clock("18:00:00"))
    said = markdown(KINDS["compliance"].write(period))
    assert "| Total Alerts | 0 |" in said
    assert "1 breach began before the period and stood open in it" in said
    assert "| 2026-03-02 10:00:01 | DRAWDOWN_CRITICAL | drawdown/main | ❗ critical |" in said
    for start, end in (("08:00:00", "10:00:00"), ("20:00:01", "22:00:00")):
        other = gathered(desk.database, clock(start), clock(end))
        said = markdown(KINDS["compliance"].write(other))
        assert "no breach of a threshold is on record" in said
        assert "began before the period" not in said


def test_a_chain_that_ends_before_the_period_says_nothing_of_it(
    day: Path, gathered: Gather
) -> None:
    later = gathered(day, NEXT_DAY + timedelta(days=2), NEXT_DAY + timedelta(days=3))
    for kind in KINDS.values():
        document = kind.write(later)
        said = markdown(document)
        assert "Nothing was recorded in this period: the last record before it is of" in said
        assert "2026-03-02 16:00:00" in said
        assert in_short(document, later)[0].endswith(": nothing on record")
    assert "Nothing was recorded" not in markdown(KINDS["sla"].write(gathered(day)))


def test_an_acknowledgement_that_ended_is_none_any_more(desk: Desk, gathered: Gather) -> None:
    def told(kind: EventType, when: str, silence: str, before: str = "") -> str:
        desk.event(
            when, kind, by="olga", risk_id="drawdown/main", tiers=["critical"], silence=silence,
            before={"silence": before} if before else None,
        )  # fmt: skip
        return markdown(KINDS["daily"].write(gathered(desk.database)))

    waits = "(1 open at the end of the period; rule: critical and unanswered)"
    desk.alert("10:00:01", "10:00:00", *ALERT)
    said = told(EventType.ALERT_ACKNOWLEDGED, "10:05:01", "s1")
    assert waits not in said
    assert "| by olga after 5m 0s |" in said
    assert waits not in told(EventType.ALERT_ACK_CHANGED, "10:30:00", "s2", "s1")
    said = told(EventType.ALERT_ACK_ENDED, "10:40:00", "s2")
    assert waits in said
    assert "| by olga after 5m 0s, not any more |" in said
    assert waits not in told(EventType.ALERT_ACKNOWLEDGED, "10:50:00", "s3")
    desk.alert("11:00:00", "10:00:00", *ALERT, firing=False)
    said = told(EventType.ALERT_ACK_ENDED, "11:00:01", "s3")
    assert waits not in said


def test_an_account_that_has_not_confirmed_that_it_is_flat_is_named(
    desk: Desk, gathered: Gather
) -> None:
    desk.alert("12:00:02", "12:00:00", *ALERT)
    desk.kill("12:00:03", "12:00:00")
    closed = EventType.POSITION_FORCE_CLOSED
    desk.event("12:00:04", closed, kill_id=KILL_ID, account="second", symbol="IBM", price="1")
    desk.flat("12:00:05")
    said = markdown(KINDS["compliance"].write(gathered(desk.database)))
    assert "| second not confirmed; main after 2s |" in said


@given(st.lists(st.integers(1, 10**6), max_size=12))
def test_shares_in_whole_percent_add_up(counts: list[int]) -> None:
    found = percents(counts)
    assert sum(found) == (100 if counts else 0)
    for count, percent in zip(counts, found, strict=True):
        assert abs(percent - 100 * count / sum(counts)) < 1


def test_the_distribution_adds_up_to_what_was_counted(day: Path, gathered: Gather) -> None:
    said = markdown(KINDS["compliance"].write(gathered(day, DAY, NEXT_DAY)))
    assert "| drawdown | 3 | 75% |\n| position | 1 | 25% |\n| all | 4 | 100% |" in said
