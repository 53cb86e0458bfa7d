"""Closes become return rows: complete days only, none from today on, no longer than the window,

and of those symbols only that have enough of them.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter import HistoryError
from risk_exporter.history import CloseHistory

WINDOW = 5


def day(number: int) -> str:
    return (date(2026, 1, 1) + timedelta(days=number)).isoformat()


def series(first: int, *closes: float) -> dict[str, float]:
    return {day(first + number): close for number, close in enumerate(closes)}


@pytest.fixture
def history() -> CloseHistory:
    return CloseHistory(WINDOW, min_samples=1)


def test_returns_are_those_between_one_close_and_the_next(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110, 99), "B": series(0, 50, 50, 55)})
    assert history.sample(("B", "A"), day(3)).returns.tolist() == [
        pytest.approx([0.0, 0.1]),
        pytest.approx([0.1, -0.1]),
    ]


def test_a_day_on_which_a_held_symbol_has_no_close_is_no_row(history: CloseHistory) -> None:
    closes = {"A": series(0, 100, 110, 121), "B": {day(0): 10.0, day(2): 20.0}}
    history.seed(closes)
    assert history.sample(("A", "B"), day(3)).returns.tolist() == [pytest.approx([0.21, 1.0])]
    # The gap of a symbol that is not held does no harm.
    assert history.sample(("A",), day(3)).returns[:, 0].tolist() == pytest.approx([0.1, 0.1])


def test_closes_of_today_and_later_do_not_count_yet(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110, 220, 440)})
    assert history.sample(("A",), day(2)).returns[:, 0].tolist() == pytest.approx([0.1])
    assert history.sample(("A",), day(3)).returns[:, 0].tolist() == pytest.approx([0.1, 1.0])


def test_a_symbol_without_history_leaves_the_rows_of_the_others_alone(
    history: CloseHistory,
) -> None:
    history.seed({"A": series(0, 100, 110)})
    sample = history.sample(("NEW", "A"), day(5))
    assert sample.returns[:, 0].tolist() == pytest.approx([0.1])
    assert sample.covered.tolist() == [False, True]
    assert history.sample(("NEW",), day(5)).returns.shape == (0, 1)
    assert history.sample((), day(5)).returns.shape == (0, 0)


def test_a_symbol_is_covered_from_its_last_missing_close_on() -> None:
    history = CloseHistory(20, min_samples=4)
    history.seed({"OLD": series(0, *range(100, 120)), "NEW": series(16, 50, 60, 70, 80)})
    few = history.sample(("OLD", "NEW"), day(20))
    assert few.covered.tolist() == [True, False]
    assert few.returns.shape == (19, 1)  # all there is of OLD
    history.seed({"NEW": series(20, 90), "OLD": series(20, 120)})
    enough = history.sample(("OLD", "NEW"), day(21))
    assert enough.covered.tolist() == [True, True]
    assert enough.returns.shape == (4, 2)


def test_while_nothing_is_covered_the_rows_tell_how_far_the_sample_has_grown() -> None:
    history = CloseHistory(20, min_samples=4)
    history.seed({"A": series(0, 1, 2, 3), "B": series(1, 1, 2)})
    sample = history.sample(("A", "B"), day(9))
    assert sample.covered.tolist() == [False, False]
    assert len(sample.returns) == 1


def test_a_symbol_whose_closes_ended_before_the_window_is_not_covered(
    history: CloseHistory,
) -> None:
    history.seed({"DEAD": series(0, *range(1, 10)), "A": series(20, *range(1, 10))})
    sample = history.sample(("DEAD", "A"), day(40))
    assert sample.covered.tolist() == [False, True]
    assert len(sample.returns) == WINDOW


def test_a_symbol_whose_days_are_not_those_of_the_others_is_left_out_and_not_the_others() -> None:
    history = CloseHistory(30, min_samples=5)
    history.seed(
        {
            # Shifted by a mistake: many closes, none on a day of another.
            "ODD": {day(2 * n + 1): 10.0 + n for n in range(12)},
            "A": {day(2 * n): 10.0 + n for n in range(10)},
            "B": {day(2 * n): 20.0 + n for n in range(10)},
        }
    )
    sample = history.sample(("ODD", "A", "B"), day(99))
    assert sample.covered.tolist() == [False, True, True]
    assert sample.returns.shape == (9, 2)


def test_markets_of_different_weeks_are_covered_together() -> None:
    history = CloseHistory(250, min_samples=60)
    every_day = {day(n): 100.0 + n for n in range(251)}
    weekdays = {day(n): 50.0 + n for n in range(251) if date.fromisoformat(day(n)).weekday() < 5}
    history.seed({"BTC-EUR": every_day, "AAPL": weekdays})
    sample = history.sample(("BTC-EUR", "AAPL"), day(251))
    assert sample.covered.tolist() == [True, True]
    assert len(sample.returns) == len(weekdays) - 1


@given(
    held=st.lists(st.lists(st.booleans(), min_size=30, max_size=30), min_size=1, max_size=6),
    least=st.integers(1, 12),
)
def test_what_is_covered_always_has_a_sample_and_a_new_symbol_never_takes_it_away(
    held: list[list[bool]], least: int
) -> None:
    history = CloseHistory(20, least)
    names = tuple(f"S{number}" for number in range(len(held)))
    history.seed(
        {
            name: {day(n): 10.0 + n for n, there in enumerate(days) if there}
            for name, days in zip(names, held, strict=True)
        }
    )
    sample = history.sample(names, day(30))
    if sample.covered.any():
        assert len(sample.returns) >= least
        assert sample.returns.shape[1] == sample.covered.sum()
    more = history.sample((*names, "NEW"), day(30))
    assert more.covered.tolist() == [*sample.covered.tolist(), False]
    if sample.covered.any():
        assert np.array_equal(more.returns, sample.returns)


def test_days_after_a_day_are_forgotten(history: CloseHistory) -> None:
    history.seed({"A": series(0, 1, 2, 4, 8)})
    history.forget_after(day(1))
    assert history.days == (day(0), day(1))
    assert history.sample(("A",), day(9)).returns.tolist() == [[1.0]]


def test_the_window_is_so_many_returns_long(history: CloseHistory) -> None:
    history.seed({"A": series(0, *range(1, 21))})
    returns = history.sample(("A",), day(20)).returns
    assert returns[:, 0].tolist() == pytest.approx([1 / n for n in range(15, 20)])


def test_trimming_changes_no_figure_and_forgets_the_rest(history: CloseHistory) -> None:
    history.seed({"A": series(0, *range(1, 21)), "SOLD": series(0, 5, 5, 5)})
    before = history.sample(("A",), day(18)).returns.copy()
    history.trim(day(18))
    assert np.array_equal(history.sample(("A",), day(18)).returns, before)
    assert history.days == tuple(day(n) for n in range(12, 20))
    assert history.sample(("SOLD",), day(18)).returns.shape == (0, 1)
    history.record(day(18), ("A",), np.array([36.0]))
    assert history.sample(("A",), day(19)).returns[-1].tolist() == pytest.approx([1.0])


def test_a_recorded_day_takes_its_place_in_order(history: CloseHistory) -> None:
    history.record(day(4), ("B",), np.array([30.0]))
    history.record(day(2), ("A", "B"), np.array([1.0, 20.0]))
    assert history.days == (day(2), day(4))
    assert history.sample(("B",), day(9)).returns[:, 0].tolist() == pytest.approx([0.5])


def test_the_later_word_about_a_close_stands(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110)})
    assert history.sample(("A",), day(2)).returns[0, 0] == pytest.approx(0.1)
    history.seed({"A": series(1, 150)})
    assert history.sample(("A",), day(2)).returns[0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("bad", ["2026-1-2", "20260102", "today", "2026-02-30", ""])
def test_what_is_no_day_is_refused_by_name(history: CloseHistory, bad: str) -> None:
    with pytest.raises(HistoryError, match="write it as YYYY-MM-DD"):
        history.seed({"A": {bad: 1.0}})
    assert history.days == ()


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_price_is_refused_by_symbol_and_day(history: CloseHistory, price: float) -> None:
    with pytest.raises(HistoryError, match=f"close of A on {day(1)}"):
        history.seed({"A": series(0, 100, price)})
    assert history.days == ()
