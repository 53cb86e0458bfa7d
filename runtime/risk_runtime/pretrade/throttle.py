"""What was sent: how often, whether the same twice, and for books that do not know of it yet.

Invariants: in no stretch of time as long as the window does an adding order pass that is one more
than the policy allows, and a clock that goes back refuses rather than forgets; memory is bounded by
what some windows can hold. Orders that only reduce are counted, since the venue counts them too,
and never refused.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import inf

from risk_runtime.pretrade.book import Book
from risk_runtime.pretrade.decision import PreTradeDecision, PreTradeLimit, refused
from risk_runtime.pretrade.limits import PreTradeLimits
from risk_runtime.pretrade.order import TradeOrder

#: What makes an order the same: account, symbol, signed quantity, price.
Key = tuple[str, str, float, float]


class Throttle:
    """Of one checker. Not thread-safe; the checker's lock guards it.

    Attributes:
        count: how many orders were ever sent.
    """

    __slots__ = (
        "_keep", "_most", "_older", "_recent", "_repeat", "_sent", "_times", "_turn_at", "_window",
        "count",
    )  # fmt: skip

    def __init__(self, limits: PreTradeLimits) -> None:
        self._most = limits.orders_max
        self._window = limits.orders_window_seconds
        self._repeat = limits.duplicate_seconds
        # The last orders and their times: as many as may pass within a window, so that the first
        # of those decides, and all that a book might lack. To an older one nothing is added.
        self._sent: deque[TradeOrder] = deque()
        self._times: deque[float] = deque()
        self._keep = max(limits.book_stale_seconds, limits.orders_window_seconds)
        # When each order was last sent: since the last turn, and between that and the one before.
        self._recent: dict[Key, float] = {}
        self._older: dict[Key, float] = {}
        self._turn_at = float("-inf")
        self.count = 0

    def admit(self, order: TradeOrder, key: Key, now: float) -> PreTradeDecision | None:
        """Count an adding order as sent now; or why it must not be, and then it is not counted."""
        times, most = self._times, self._most
        if len(times) >= most and not now - times[-most] >= self._window:
            return self._too_many(now)
        if now >= self._turn_at:
            self._turn(now)
        recent = self._recent
        known = len(recent)
        before = recent.setdefault(key, now)  # looking a key up is what costs most here: once
        if len(recent) == known:
            if not now - before >= self._repeat:
                return self._again(now - before)
            recent[key] = now
        elif self._older:
            before = self._older.get(key, -inf)
            if not now - before >= self._repeat:
                del recent[key]
                return self._again(now - before)
        times.append(now)
        self._sent.append(order)
        self.count += 1
        return None

    def take(self, order: TradeOrder, key: Key, now: float) -> None:
        """Count an order that is sent whatever was sent before it."""
        if now >= self._turn_at:
            self._turn(now)
        self._recent[key] = now
        self._times.append(now)
        self._sent.append(order)
        self.count += 1

    def tell(self, book: Book) -> None:
        """Have a book count what passed by another one since it was taken."""
        for number in range(-min(self.count - book.told, len(self._sent)), 0):
            order = self._sent[number]
            if not self._times[number] <= book.taken_at and order.account == book.account:
                book.count(order)
        book.told = self.count

    def _turn(self, now: float) -> None:
        """Forget what was sent before the last turn: no order could repeat it too soon any more."""
        self._older = self._recent
        self._recent = {}
        self._turn_at = now + self._repeat
        while len(self._times) > self._most and self._times[0] < now - self._keep:
            self._times.popleft()
            self._sent.popleft()

    def _too_many(self, now: float) -> PreTradeDecision:
        last = islice(reversed(self._times), self._most)
        within = 1 + sum(not now - at >= self._window for at in last)
        sentence = (
            f"it would be order {within} within {self._window:g} s, and {self._most} may be sent"
        )
        return refused(PreTradeLimit.ORDER_RATE, within, self._most, sentence)

    def _again(self, ago: float) -> PreTradeDecision:
        sentence = f"the same order was sent {ago:.3f} s ago, less than {self._repeat:g} s"
        return refused(PreTradeLimit.DUPLICATE, ago, self._repeat, sentence)
