"""Daily closes by symbol, and the return rows that value at risk is computed from.

Only closes before the current trading day count, so a restart in the middle of a day changes
nothing. A row is a day on which every covered symbol has a close; a return reaches from one such
day to the next. A gap thereby overstates one row instead of losing the move.

A held symbol is covered when it has, by itself, the closes for ``min_samples`` returns within
the window: the latest days on which any held symbol has a close, as many as value at risk looks
back on. Should symbols that are covered by themselves share too few days, those whose days agree
least with the others' are left out, one by one, until the rest does share enough.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from risk_exporter.errors import HistoryError
from risk_exporter.value_at_risk import Flags, Floats, Sample


class CloseHistory:
    """The closes of one account's symbols. Not thread-safe; the account's lock guards it."""

    def __init__(self, window_days: int, min_samples: int) -> None:
        # So many returns need one close more.
        self._kept = window_days + 1
        self._least = max(min_samples, 1) + 1
        self._days: list[str] = []
        self._columns: dict[str, int] = {}
        self._closes: Floats = np.empty((0, 0))
        self._cache: tuple[tuple[str, ...], str, Sample] | None = None

    @property
    def days(self) -> tuple[str, ...]:
        """Every day that has a close, ISO 8601, in order."""
        return tuple(self._days)

    def seed(self, closes: Mapping[str, Mapping[str, float]]) -> None:
        """Merge closes by symbol and ISO date; the later word wins. Raises HistoryError."""
        checked = check_closes(closes)
        self._grow(checked, {day for series in checked.values() for day in series})
        rows = {day: row for row, day in enumerate(self._days)}
        for symbol, series in checked.items():
            self._closes[[rows[day] for day in series], self._columns[symbol]] = list(
                series.values()
            )

    def record(self, day: str, symbols: Sequence[str], closes: Floats) -> None:
        """Keep one day's closes."""
        self._grow(symbols, (day,))
        columns = [self._columns[symbol] for symbol in symbols]
        self._closes[bisect_left(self._days, day), columns] = closes

    def trim(self, before: str) -> None:
        """Forget what no window reaches any more; days from ``before`` on are left alone."""
        past = bisect_left(self._days, before)
        if past <= self._kept:
            return
        finite = np.isfinite(self._closes)
        # A symbol without a close in the last window is not held any more.
        alive: Flags = np.any(finite[past - self._kept :], axis=0)
        closes, finite = self._closes[:, alive], finite[:past, alive]
        reach = np.cumsum(finite[::-1], axis=0)[::-1]
        closes[:past][reach > self._kept] = np.nan
        used: Flags = np.any(np.isfinite(closes), axis=1)
        symbols = [
            symbol for symbol, kept in zip(self._columns, alive.tolist(), strict=True) if kept
        ]
        self._columns = {symbol: column for column, symbol in enumerate(symbols)}
        self._days = [day for day, kept in zip(self._days, used.tolist(), strict=True) if kept]
        self._closes = closes[used]
        self._cache = None

    def forget_after(self, day: str) -> None:
        """Forget every day after this one."""
        past = bisect_right(self._days, day)
        self._days, self._closes = self._days[:past], self._closes[:past]
        self._cache = None

    def sample(self, symbols: tuple[str, ...], before: str) -> Sample:
        """Past daily returns of the symbols that are covered."""
        if self._cache is None or self._cache[:2] != (symbols, before):
            self._cache = (symbols, before, self._sample(symbols, before))
        return self._cache[2]

    def _sample(self, symbols: tuple[str, ...], before: str) -> Sample:
        past = bisect_left(self._days, before)
        covered = np.zeros(len(symbols), dtype=np.bool_)
        known = [number for number, symbol in enumerate(symbols) if symbol in self._columns]
        closes = self._closes[:past, [self._columns[symbols[number]] for number in known]]
        chosen = self._covered(np.isfinite(closes))
        covered[np.array(known, dtype=np.intp)[chosen]] = True
        if covered.any():
            closes = closes[:, chosen]
        elif not symbols or len(known) < len(symbols):
            return Sample(np.empty((0, len(symbols))), covered)
        rows = closes[np.isfinite(closes).all(axis=1)][-self._kept :]
        with np.errstate(over="ignore"):
            return Sample(rows[1:] / rows[:-1] - 1.0, covered)

    def _covered(self, finite: Flags) -> Flags:
        """Which columns are covered, by where they have closes."""
        window = finite[finite.any(axis=1)][-self._kept :]
        covered: Flags = window.sum(axis=0) >= self._least
        if not covered.any():
            return covered
        missing = (~finite[:, covered]).sum(axis=1)
        if np.count_nonzero(missing == 0) >= self._least:
            return covered
        agreement = np.where(covered, window.T @ window[:, covered].sum(axis=1), np.inf)
        for column in np.argsort(agreement, kind="stable"):
            if np.count_nonzero(missing == 0) >= self._least:
                break
            covered[column] = False
            missing -= ~finite[:, column]
        return covered

    def _grow(self, symbols: Iterable[str], days: Iterable[str]) -> None:
        """Make room, filled with NaN."""
        self._cache = None
        new_symbols = [symbol for symbol in symbols if symbol not in self._columns]
        merged = sorted({*self._days, *days})
        if not new_symbols and len(merged) == len(self._days):
            return
        grown = np.full((len(merged), len(self._columns) + len(new_symbols)), np.nan)
        rows = [bisect_left(merged, day) for day in self._days]
        grown[rows, : len(self._columns)] = self._closes
        for symbol in new_symbols:
            self._columns[symbol] = len(self._columns)
        self._days, self._closes = merged, grown


def check_closes(closes: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Closes by symbol and ISO date, if all of them are. Raises HistoryError."""
    checked = {symbol: dict(series) for symbol, series in closes.items()}
    _check_days({day for series in checked.values() for day in series})
    for symbol, series in checked.items():
        for day, close in series.items():
            if not (math.isfinite(close) and close > 0):
                raise HistoryError(
                    f"close of {symbol} on {day} is {close!r}; a positive price is expected"
                )
    return checked


def is_day(text: str) -> bool:
    """Whether a text is a date, written YYYY-MM-DD."""
    try:
        # Back and forth: Python reads a week's day, 2026-W01-1, as well.
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _check_days(days: Iterable[str]) -> None:
    for day in days:
        if not is_day(day):
            raise HistoryError(f"{day!r} is no day; write it as YYYY-MM-DD")
