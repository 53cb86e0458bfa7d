"""The range of prices within a period of market time."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_exporter.prices import PriceWindow

START = datetime(2008, 9, 15, 14, tzinfo=UTC)
PERIOD = timedelta(minutes=5)


def seen(window: PriceWindow, seconds: float, **marks: float) -> dict[str, float]:
    """The ranges once so many seconds have passed and these prices are known."""
    named = window.observe(
        START + timedelta(seconds=seconds), tuple(marks), np.array(list(marks.values()))
    )
    return dict(zip(named.names, named.values.tolist(), strict=True))


@pytest.fixture
def window() -> PriceWindow:
    return PriceWindow(PERIOD)


def test_one_mark_has_no_range_and_a_second_one_has(window: PriceWindow) -> None:
    assert seen(window, 0, A=100) == {}
    assert seen(window, 0, A=100) == {}  # a repeated snapshot is no second mark
    assert seen(window, 1, A=100) == {"A": 0}
    assert seen(window, 2, A=80) == pytest.approx({"A": 0.25})


def test_a_fall_counts_as_much_as_the_rise_that_undoes_it(window: PriceWindow) -> None:
    for second, price in enumerate((100, 90, 100)):
        ranges = seen(window, second, A=price)
    assert ranges == pytest.approx({"A": 1 / 9})


def test_bars_of_a_day_show_the_move_from_one_to_the_next(window: PriceWindow) -> None:
    day = 86_400.0
    seen(window, 0, A=100)
    assert seen(window, day, A=110) == pytest.approx({"A": 0.1})
    assert seen(window, day, A=110) == pytest.approx({"A": 0.1})  # told again meanwhile
    assert seen(window, 2 * day, A=88) == pytest.approx({"A": 0.25})
    assert seen(window, 9 * day, A=88) == {"A": 0}


def test_bars_as_long_as_the_period_show_one_move_and_not_two(window: PriceWindow) -> None:
    for number, price in enumerate((100, 110, 121)):
        ranges = seen(window, 300 * number, A=price)
    assert ranges == pytest.approx({"A": 0.1})


def test_a_price_counts_until_the_period_and_the_next_mark_have_passed(window: PriceWindow) -> None:
    seen(window, 0, A=100)
    seen(window, 60, A=150)
    for second in range(120, 360, 60):
        assert seen(window, second, A=100) == pytest.approx({"A": 0.5})
    assert seen(window, 360, A=100) == pytest.approx({"A": 0.5})  # the last mark before
    assert seen(window, 420, A=100) == {"A": 0}


def test_a_symbol_that_comes_or_goes_leaves_the_others_alone(window: PriceWindow) -> None:
    seen(window, 0, A=100, B=10)
    assert seen(window, 1, B=11, C=5) == pytest.approx({"B": 0.1})
    # A was closed: what it cost before is forgotten, and nobody inherits it.
    assert seen(window, 2, A=400, B=10, C=5) == pytest.approx({"B": 0.1, "C": 0})
    assert seen(window, 3, C=5, D=1, E=2, A=400) == pytest.approx({"C": 0, "A": 0})
    assert seen(window, 4) == {}
    assert seen(window, 5, C=50) == {}


def test_when_market_time_is_put_back_the_range_begins_anew(window: PriceWindow) -> None:
    seen(window, 1000, A=100)
    seen(window, 1001, A=200)
    assert seen(window, 0, A=100) == {}
    assert seen(window, 1, A=100) == {"A": 0}


def test_a_range_beyond_all_numbers_is_infinite(window: PriceWindow) -> None:
    seen(window, 0, A=1e-308)
    assert seen(window, 1, A=1e308) == {"A": np.inf}


STEP = st.tuples(
    st.sampled_from([0.5, 1.0, 7.0, 60.0, 299.0, 300.0, 301.0, 5000.0]),
    st.dictionaries(st.sampled_from("ABCD"), st.floats(1, 100), max_size=4),
)


@given(st.lists(STEP, max_size=40))
@settings(deadline=None)
def test_the_range_lies_between_that_of_the_period_and_that_of_a_span_more(
    steps: list[tuple[float, dict[str, float]]],
) -> None:
    """Against a list of all marks: exact but for the width of a span at the far end."""
    window, past = PriceWindow(PERIOD), defaultdict[str, list[tuple[float, float]]](list)
    now = 0.0
    for seconds, marks in steps:
        now += seconds
        for symbol in set(past) - set(marks):
            del past[symbol]
        for symbol, price in marks.items():
            past[symbol].append((now, price))
        ranges = seen(window, now, **marks)
        assert set(ranges) == {symbol for symbol in marks if len(past[symbol]) > 1}
        for symbol, value in ranges.items():
            exact, wider = (_range(past[symbol], now - p) for p in (300.0, 305.0))
            assert exact - 1e-9 <= value <= wider + 1e-9


def _range(marks: list[tuple[float, float]], after: float) -> float:
    within = [price for at, price in marks if at > after]
    before = [price for at, price in marks if at <= after][-1:]
    return max(within + before) / min(within + before) - 1


def test_memory_does_not_grow_with_the_number_of_snapshots() -> None:
    window, symbols = PriceWindow(PERIOD), tuple(f"S{n}" for n in range(1000))
    marks = np.full(1000, 10.0)

    def feed(begin: int, end: int) -> int:
        for n in range(begin, end):
            window.observe(START + timedelta(seconds=n / 10), symbols, marks)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        filled = feed(0, 4_000)
        later = feed(4_000, 12_000)
    finally:
        tracemalloc.stop()
    assert filled < 2_500_000  # three rows of 8 bytes for each of some sixty spans
    assert later < 1.1 * filled


def test_columns_of_closed_positions_are_used_again() -> None:
    window = PriceWindow(PERIOD)
    for n in range(2_000):
        seen(window, n, **{f"S{n}": 1.0, f"T{n}": 2.0, "U": 3.0})
    assert len(window._before) < 12
