"""When reports are due, and that nothing is left out or told twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_policy.model.reports import Reports
from risk_receivers.periodic.errors import PeriodError
from risk_receivers.periodic.kinds import KINDS
from risk_receivers.periodic.period import Period, moment
from risk_receivers.periodic.schedule import latest_due, next_due, period_end, period_of

BERLIN = Reports(location="Europe/Berlin", at="06:30", weekly_on="monday")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)


@pytest.mark.parametrize(
    ("kind", "now", "latest", "following", "end"),
    [
        ("daily", "2026-03-04T07:00", "2026-03-04T06:30", "2026-03-05T06:30", "2026-03-04T06:30"),
        ("daily", "2026-03-04T06:29", "2026-03-03T06:30", "2026-03-04T06:30", "2026-03-03T06:30"),
        ("weekly", "2026-03-04T07:00", "2026-03-02T06:30", "2026-03-09T06:30", "2026-03-02T00:00"),
        ("sla", "2026-03-02T06:30", "2026-03-02T06:30", "2026-03-09T06:30", "2026-03-02T00:00"),
        ("compliance", "2026-03-04T07:00", "2026-03-01T06:30", "2026-04-01T06:30",
         "2026-03-01T00:00"),
    ],
)  # fmt: skip
def test_when_reports_are_due(kind: str, now: str, latest: str, following: str, end: str) -> None:
    assert latest_due(kind, BERLIN, at(now)) == at(latest)
    assert next_due(kind, BERLIN, at(now)) == at(following)
    assert period_end(kind, BERLIN, at(latest)) == at(end)


def test_a_day_on_which_clocks_are_changed_is_a_day() -> None:
    spring = period_of(
        "daily", BERLIN, at("2026-03-29T06:30"), period_end("daily", BERLIN, at("2026-03-28T06:30"))
    )
    assert spring is not None
    assert spring.seconds == 23 * 3600
    assert str(spring) == "2026-03-28 06:30 to 2026-03-29 06:30 (Europe/Berlin)"


def test_a_month_is_named_by_its_days() -> None:
    march = period_of("compliance", BERLIN, at("2026-04-01T06:30"), at("2026-03-01T00:00"))
    assert str(march) == "2026-03-01 to 2026-03-31 (Europe/Berlin)"


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    st.lists(st.floats(0.01, 40.0), min_size=1, max_size=12),
)
@settings(max_examples=80, deadline=None)
def test_whenever_somebody_looks_periods_follow_each_other_without_gap_or_overlap(
    kind: str, zone: str, days: list[float]
) -> None:
    terms = Reports(location=zone, at="05:15")
    now = datetime(2026, 2, 20, 3, 0, tzinfo=UTC)
    end = start = period_end(kind, terms, latest_due(kind, terms, now))
    told: list[Period] = []
    for pause in days:
        now += timedelta(days=pause)
        for _ in range(2):  # the second look finds nothing left to do
            period = period_of(kind, terms, latest_due(kind, terms, now), end)
            if period is not None:
                assert period.end <= now
                told.append(period)
                end = period.end
        assert period is None
        assert latest_due(kind, terms, now) <= now < next_due(kind, terms, now)
    assert sum(one.seconds for one in told) == (end - start).total_seconds()
    assert all(one.end == two.start for one, two in pairwise(told))


def test_a_time_is_what_people_write() -> None:
    now = at("2026-03-04T12:00")
    assert moment("2026-03-02", "Europe/Berlin", now) == at("2026-03-02T00:00")
    assert moment("2026-03-02T06:00", "Europe/Berlin", now) == at("2026-03-02T06:00")
    assert moment("2026-03-02T06:00+00:00", "Europe/Berlin", now) == at("2026-03-02T07:00")
    assert moment("36h", "UTC", now) == now - timedelta(hours=36)
    assert moment("2w", "UTC", now) == now - timedelta(days=14)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "7", "d7", "99999999999d", "-1d"])
def test_what_is_no_time_is_said_with_what_would_be_one(text: str) -> None:
    with pytest.raises(PeriodError, match=r"2026-11-30.*24h, 7d or 2w"):
        moment(text, "UTC", at("2026-03-04T12:00"))


def test_a_period_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(PeriodError, match="not after its start"):
        Period(at("2026-03-04T12:00"), at("2026-03-04T12:00"))
