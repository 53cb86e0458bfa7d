"""Stops and take-profits that were hit: shown for a day, each once, and never too many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from risk_exporter import RiskExporter

STOP = "risk_stop_loss_triggered_timestamp_seconds"
PROFIT = "risk_take_profit_triggered_timestamp_seconds"


@pytest.fixture
def shown(exporter: RiskExporter, scrape: Any) -> Callable[[str], dict[str, float]]:
    """What a scrape shows of one kind, by symbol."""

    def read(name: str) -> dict[str, float]:
        x = scrape(exporter)
        return {labels["symbol"]: x.value(name, **labels) for labels in x.labels(name)}

    return read


def event(kind: str, symbol: str, at: datetime) -> dict[str, object]:
    return {"kind": kind, "symbol": symbol, "at": at}


def test_an_event_told_once_is_shown_until_it_is_a_day_old(
    exporter: RiskExporter, book: Any, clock: Any, shown: Any
) -> None:
    at = clock.now - timedelta(seconds=3)
    exporter.observe(book(events=[event("stop_loss", "A", at)]))
    clock.advance(hours=23)
    exporter.observe(book())
    assert (shown(STOP), shown(PROFIT)) == ({"A": at.timestamp()}, {})
    clock.advance(hours=1)
    exporter.observe(book())
    assert shown(STOP) == {}


def test_the_latest_of_a_kind_and_symbol_counts_in_whatever_order_they_are_told(
    exporter: RiskExporter, book: Any, clock: Any, shown: Any
) -> None:
    early, late = clock.now - timedelta(hours=2), clock.now - timedelta(hours=1)
    exporter.observe(book(events=[event("stop_loss", "A", late), event("stop_loss", "A", early)]))
    assert shown(STOP) == {"A": late.timestamp()}
    clock.advance(seconds=1)
    exporter.observe(
        book(events=[event("take_profit", "A", early), event("stop_loss", "B", early)])
    )
    assert shown(STOP) == {"A": late.timestamp(), "B": early.timestamp()}
    assert shown(PROFIT) == {"A": early.timestamp()}


def test_in_a_replay_of_years_an_event_of_today_stays(
    exporter: RiskExporter, book: Any, clock: Any, shown: Any
) -> None:
    now, market = clock.now, clock.now - timedelta(days=5000)
    exporter.observe(book(events=[event("stop_loss", "A", now)], market_time=market))
    clock.advance(seconds=1)
    exporter.observe(book(market_time=market + timedelta(days=400)))
    assert shown(STOP) == {"A": now.timestamp()}


def test_an_event_of_a_clock_that_ran_ahead_does_not_outlive_its_correction(
    exporter: RiskExporter, book: Any, clock: Any, shown: Any
) -> None:
    clock.advance(days=3)
    exporter.observe(book(events=[event("stop_loss", "A", clock.now)]))
    clock.advance(days=-3)
    exporter.observe(book())
    assert shown(STOP) == {}


def test_of_too_many_the_latest_are_shown(
    exporter: RiskExporter, book: Any, clock: Any, shown: Any
) -> None:
    began = clock.now - timedelta(hours=1)
    many = [event("stop_loss", f"S{n}", began + timedelta(seconds=n)) for n in range(1_500)]
    exporter.observe(book(events=many[:700]))
    clock.advance(seconds=1)
    exporter.observe(book(events=many[700:]))
    assert set(shown(STOP)) == {f"S{n}" for n in range(500, 1_500)}
