"""Closes become return rows: complete days only, none from today on, no longer than the window."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from risk_exporter import HistoryError
from risk_exporter.history import CloseHistory

WINDOW = 5


def day(number: int) -> str:
    return (date(2026, 1, 1) + timedelta(days=number)).isoformat()


def series(first: int, *closes: float) -> dict[str, float]:
    return {day(first + number): close for number, close in enumerate(closes)}


@pytest.fixture
def history() -> CloseHistory:
    return CloseHistory(WINDOW)


def test_returns_are_those_between_one_close_and_the_next(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110, 99), "B": series(0, 50, 50, 55)})
    assert history.returns(("B", "A"), day(3)).tolist() == [
        pytest.approx([0.0, 0.1]),
        pytest.approx([0.1, -0.1]),
    ]


def test_a_day_on_which_a_held_symbol_has_no_close_is_no_row(history: CloseHistory) -> None:
    closes = {"A": series(0, 100, 110, 121), "B": {day(0): 10.0, day(2): 20.0}}
    history.seed(closes)
    assert history.returns(("A", "B"), day(3)).tolist() == [pytest.approx([0.21, 1.0])]
    # The gap of a symbol that is not held does no harm.
    assert history.returns(("A",), day(3))[:, 0].tolist() == pytest.approx([0.1, 0.1])


def test_closes_of_today_and_later_do_not_count_yet(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110, 220, 440)})
    assert history.returns(("A",), day(2))[:, 0].tolist() == pytest.approx([0.1])
    assert history.returns(("A",), day(3))[:, 0].tolist() == pytest.approx([0.1, 1.0])


def test_a_symbol_without_history_leaves_no_rows_at_all(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110)})
    assert history.returns(("A", "NEW"), day(5)).shape == (0, 2)
    assert history.returns((), day(5)).shape == (0, 0)


def test_the_window_is_so_many_returns_long(history: CloseHistory) -> None:
    history.seed({"A": series(0, *range(1, 21))})
    returns = history.returns(("A",), day(20))
    assert returns[:, 0].tolist() == pytest.approx([1 / n for n in range(15, 20)])


def test_trimming_changes_no_figure_and_forgets_the_rest(history: CloseHistory) -> None:
    history.seed({"A": series(0, *range(1, 21)), "SOLD": series(0, 5, 5, 5)})
    before = history.returns(("A",), day(18)).copy()
    history.trim(day(18))
    assert np.array_equal(history.returns(("A",), day(18)), before)
    assert history.days == tuple(day(n) for n in range(12, 20))
    assert history.returns(("SOLD",), day(18)).shape == (0, 1)
    history.record(day(18), ("A",), np.array([36.0]))
    assert history.returns(("A",), day(19))[-1].tolist() == pytest.approx([1.0])


def test_a_recorded_day_takes_its_place_in_order(history: CloseHistory) -> None:
    history.record(day(4), ("B",), np.array([30.0]))
    history.record(day(2), ("A", "B"), np.array([1.0, 20.0]))
    assert history.days == (day(2), day(4))
    assert history.returns(("B",), day(9))[:, 0].tolist() == pytest.approx([0.5])


def test_the_later_word_about_a_close_stands(history: CloseHistory) -> None:
    history.seed({"A": series(0, 100, 110)})
    assert history.returns(("A",), day(2))[0, 0] == pytest.approx(0.1)
    history.seed({"A": series(1, 150)})
    assert history.returns(("A",), day(2))[0, 0] == pytest.approx(0.5)


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
