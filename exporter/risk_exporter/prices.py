"""The range of prices within a period of market time, with bounded memory.

Counted are the marks of the last period, which is open at its far end, and the last mark before
it: a feed of daily bars thus shows the move from one bar to the next, whatever the period. The
period is cut into spans of which only the highest, the lowest and the last mark are kept, so a
mark counts for up to one span longer than the period, and never shorter.

A symbol has no figure before it was marked at two instants: one mark has no range. What is not
held any more is forgotten; so is everything when the process ends, and a range begins anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_exporter.named import NOTHING, Named
from risk_exporter.value_at_risk import Floats

#: A period is cut into so many spans.
_SPANS: Final = 60
Columns = NDArray[np.intp]


@dataclass(slots=True)
class _Span:
    """What is kept of the marks of one span, by column; NaN where there was none."""

    number: int
    newest: float
    high: Floats
    low: Floats
    last: Floats


class PriceWindow:
    """The latest marks of one account's symbols. Not thread-safe; the account's lock guards it."""

    def __init__(self, period: timedelta) -> None:
        self._period = period.total_seconds()
        self._latest = -math.inf
        self._symbols: tuple[str, ...] = ()
        self._column_of: dict[str, int] = {}
        self._columns: Columns = np.empty(0, dtype=np.intp)
        self._free: list[int] = []
        self._spans: deque[_Span] = deque()
        # Of all spans but the latest, and of the last marks before them.
        self._high: Floats = np.empty(0)
        self._low: Floats = np.empty(0)
        self._before: Floats = np.empty(0)
        self._first: Floats = np.empty(0)

    def observe(self, market_time: datetime, symbols: tuple[str, ...], marks: Floats) -> Named:
        """The ranges once these marks are known: highest over lowest, minus 1.

        Args:
            symbols: what is held now, in order. The same object if they have not changed.
            marks: their prices, all above 0.
        """
        now = market_time.timestamp()
        if now < self._latest:
            self._forget()
        self._latest = now
        self._arrange(symbols)
        if not symbols:
            return NOTHING
        self._advance(now)
        here, span = self._columns, self._spans[-1]
        span.newest = now
        span.high[here] = np.fmax(span.high[here], marks)
        span.low[here] = np.fmin(span.low[here], marks)
        span.last[here] = marks
        first = self._first[here]
        first[np.isnan(first)] = now
        self._first[here] = first
        with np.errstate(over="ignore"):
            high = np.fmax(span.high[here], self._high[here])
            low = np.fmin(span.low[here], self._low[here])
            return Named.where(first < now, symbols, high / low - 1.0)

    def _forget(self) -> None:
        """Hold no mark of anything; every symbol keeps its column."""
        self._spans.clear()
        for row in self._rows():
            row.fill(np.nan)

    def _arrange(self, symbols: tuple[str, ...]) -> None:
        """Give every symbol a column that holds nothing of another."""
        if symbols is self._symbols or symbols == self._symbols:
            self._symbols = symbols
            return
        held = set(symbols)
        gone = [symbol for symbol in self._column_of if symbol not in held]
        freed = [self._column_of.pop(symbol) for symbol in gone]
        for row in self._rows():
            row[freed] = np.nan
        self._free += freed
        new = [symbol for symbol in symbols if symbol not in self._column_of]
        lacking = len(new) - len(self._free)
        if lacking > 0:
            self._widen(lacking)
        for symbol in new:
            self._column_of[symbol] = self._free.pop()
        self._symbols = symbols
        self._columns = np.array([self._column_of[symbol] for symbol in symbols], dtype=np.intp)

    def _widen(self, by: int) -> None:
        width = len(self._before)
        wider = max(width + by, 2 * width)

        def widened(row: Floats) -> Floats:
            return np.concatenate([row, np.full(wider - width, np.nan)])

        for span in self._spans:
            span.high, span.low, span.last = map(widened, (span.high, span.low, span.last))
        self._high, self._low = widened(self._high), widened(self._low)
        self._before, self._first = widened(self._before), widened(self._first)
        self._free += range(wider - 1, width - 1, -1)

    def _rows(self) -> Sequence[Floats]:
        rows = [row for span in self._spans for row in (span.high, span.low, span.last)]
        return [*rows, self._high, self._low, self._before, self._first]

    def _advance(self, now: float) -> None:
        """Begin the span of an instant, and let go of what lies before the period."""
        spans, number = self._spans, math.floor(now * _SPANS / self._period)
        changed = False
        if not spans or spans[-1].number != number:
            width = len(self._before)
            nothing = [np.full(width, np.nan) for _ in range(3)]
            spans.append(_Span(number, now, *nothing))
            changed = True
        while len(spans) > 1 and spans[0].newest <= now - self._period:
            last = spans.popleft().last
            self._before = np.where(np.isnan(last), self._before, last)
            changed = True
        if changed:
            self._high, self._low = self._before.copy(), self._before.copy()
            for span in list(spans)[:-1]:
                np.fmax(self._high, span.high, out=self._high)
                np.fmin(self._low, span.low, out=self._low)
