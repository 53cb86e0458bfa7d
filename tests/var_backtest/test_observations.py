"""Which forecast is held against which day, and what is not judged at all."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter.days import DayRecord, Forecast
from riskwarden.var_backtest.observations import LeftOut, observe
from riskwarden.var_backtest.verdict import judge

MONDAY = date(2026, 3, 2)


def record(
    day: date,
    equity: float,
    var_ratio: float | None = 0.01,
    *,
    level: float = 95.0,
    horizon: int = 1,
    positions: int = 1,
    currency: str = "USD",
) -> DayRecord:
    forecast = None
    if var_ratio is not None:
        forecast = Forecast(
            confidence_pct=level,
            horizon_days=horizon,
            var_ratio=var_ratio,
            sample_count=250,
            covered_ratio=1,
            positions_open=positions,
        )
    return DayRecord(day=day.isoformat(), currency=currency, equity=equity, forecast=forecast)


def after(days: int) -> date:
    return MONDAY + timedelta(days=days)


def test_a_day_is_held_against_the_forecast_of_the_evening_before() -> None:
    found = observe([record(after(0), 1000, 0.02), record(after(1), 975, 0.5)])
    (one,) = found.observations
    assert (one.forecast_on, one.day) == (after(0), after(1))
    assert (one.value_at_risk, one.profit) == (20, -25)
    assert one.is_exception
    # The forecast that the losing day ended with came too late for it.
    assert found.confidence_pct == 95


def test_a_loss_of_just_what_was_forecast_is_no_exception() -> None:
    for lost, is_exception in ((15.625, False), (15.626, True)):
        (one,) = observe(
            [record(after(0), 1000, 1 / 64), record(after(1), 1000 - lost)]
        ).observations
        assert one.is_exception is is_exception


def test_a_longer_horizon_is_brought_back_to_a_day() -> None:
    (one,) = observe([record(after(0), 1000, 0.04, horizon=4), record(after(1), 980)]).observations
    assert one.value_at_risk == pytest.approx(20)


def test_what_cannot_be_judged_is_counted_and_breaks_the_sequence() -> None:
    days = [
        record(after(0), 1000),  # the first has no forecast before it
        record(after(1), 900),  # judged
        record(after(4), 800, None),  # judged, over a week-end
        record(after(5), 700),  # nothing was told on the day before
        record(after(6), 600, level=99),  # judged
        record(after(7), 500, positions=0),  # at another level
        record(after(8), 400),  # flat
        record(after(14), 300),  # after a gap
        record(after(15), 200, currency="EUR"),  # in another currency
        record(after(16), 100, currency="EUR"),  # judged
        record(after(17), 100, currency="EUR"),  # no market was open
    ]
    found = observe(days)
    assert [one.day for one in found.observations] == [after(n) for n in (1, 4, 6, 16)]
    assert dict(found.left_out) == dict.fromkeys(LeftOut, 1)
    assert found.runs == [[True, True], [True], [True]]
    assert observe(days, confidence_pct=99).observations[0].day == after(7)
    assert dict(found.levels) == {95.0: 9, 99.0: 1}


def test_week_ends_are_no_days_of_trading_and_monday_follows_on_friday() -> None:
    days = [
        record(after(3), 1000),
        record(after(4), 900),  # Friday
        record(after(5), 900),
        record(after(6), 900),
        record(after(7), 800),  # Monday
    ]
    found = observe(days)
    assert [(one.day, one.forecast_on) for one in found.observations] == [
        (after(4), after(3)),
        (after(7), after(6)),
    ]
    assert found.runs == [[True, True]]
    assert dict(found.left_out) == {LeftOut.STILL: 2}


def test_a_period_is_kept_to_and_its_first_day_has_the_forecast_from_before_it() -> None:
    days = [record(after(n), 1000 - n) for n in range(5)]
    found = observe(days, since=after(2), until=after(3))
    assert [(one.day, one.forecast_on) for one in found.observations] == [
        (after(2), after(1)),
        (after(3), after(2)),
    ]
    assert found.runs == [[False, False]]


def test_without_any_forecast_there_is_no_verdict() -> None:
    for days in ([], [record(after(0), 1000, None), record(after(1), 900, None)]):
        found = observe(days)
        assert found.observations == ()
        assert judge(found) is None


@given(st.lists(st.booleans(), min_size=1, max_size=600))
def test_the_worst_stretch_is_the_worst_of_all(hits: list[bool]) -> None:
    days, equity = [record(after(0), 1e9, 1e-9)], 1e9
    for number, hit in enumerate(hits, 1):
        equity -= 10 if hit else -10
        days.append(record(after(number), equity, 1e-9))
    verdict = judge(observe(days))
    assert verdict is not None
    assert (verdict.days, len(verdict.exceptions)) == (len(hits), sum(hits))
    stretches = [hits[at : at + 250] for at in range(max(len(hits) - 249, 1))]
    assert verdict.worst.exceptions == max(map(sum, stretches))
    assert verdict.light.exceptions == sum(hits[-250:])
    assert verdict.worst_until is not None
    ends = (verdict.worst_until - MONDAY).days
    assert sum(hits[max(ends - 250, 0) : ends]) == verdict.worst.exceptions
