"""What the bot began with, believed once it stands still.

freqtrade works its starting capital out anew each time: free balance, less profit, plus what open
trades cost. In the moment after an entry the trade is counted and the balance is of before, so the
capital seems larger by a whole stake; and a peak that never was is a drawdown for ever. So a figure
counts only after several looks in a row agreed on it, with the same trades and the same orders.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from risk_runtime.adapters.freqtrade.bot import Trade

#: So many looks, of a second each as a rule; the bot renews its balance within one of its rounds.
_LOOKS: Final = 3
#: Fees and funding move it by less; a stake by more.
_TOLERANCE: Final = 0.001


class StartingCapital:
    """Judges one reading after the other."""

    def __init__(self) -> None:
        self.known: float | None = None
        self._latest = math.nan
        self._book: frozenset[tuple[int, float, tuple[str, ...]]] = frozenset()
        self._agreed = 0

    @property
    def is_settled(self) -> bool:
        """Whether the latest readings agree."""
        return self._agreed >= _LOOKS

    def see(self, reading: float, trades: Iterable[Trade]) -> float | None:
        """Take note of a reading; what to go by now, None if nothing is known yet."""
        book = frozenset(
            (trade.trade_id, trade.quantity, tuple(order.order_id for order in trade.working))
            for trade in trades
        )
        is_still = book == self._book
        agrees = math.isclose(reading, self._latest, rel_tol=_TOLERANCE)
        self._agreed = self._agreed + 1 if agrees and is_still else 1
        self._latest, self._book = reading, book
        if self.is_settled:
            self.known = reading
        return self.known
