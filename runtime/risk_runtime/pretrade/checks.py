"""The checks as a runtime embeds them: asked before the gate, before every order.

Invariant: an order that passed is counted at once, in the book and in the throttle, so that two
orders that fit one by one and not together never both pass, from whichever threads they come.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from risk_runtime.pretrade.book import Book
from risk_runtime.pretrade.decision import PreTradeDecision, PreTradeLimit, refused
from risk_runtime.pretrade.judge import decide
from risk_runtime.pretrade.limits import PreTradeLimits
from risk_runtime.pretrade.order import TradeOrder
from risk_runtime.pretrade.throttle import Throttle

#: Goes on while the machine sleeps, and is never put right: an age is what it says.
boottime: Final[Callable[[], float]] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


class PreTradeChecks:
    """Layer 1 of the defences, in process. Threads may share it.

    Args:
        limits: what the policy allows; ``PreTradeLimits.of(policy)``.
        clock: seconds; the times in the books are of the same clock.
    """

    def __init__(self, limits: PreTradeLimits, *, clock: Callable[[], float] = boottime) -> None:
        self.limits = limits
        self._clock = clock
        self._throttle = Throttle(limits)
        # A signal's handler that closes positions may come in the middle of a check.
        self._lock = threading.RLock()

    def now(self) -> float:
        """The time, for books."""
        return self._clock()

    def check(self, order: TradeOrder, book: Book) -> PreTradeDecision:
        """Whether an order may go on to the gate. It counts as sent if it may.

        Ask once for every order, right before it is sent, with a book that holds everything that
        was sent before it was taken; what passed since then it learns of here. Never raises because
        of the figures in either.
        """
        with self._lock:
            throttle = self._throttle
            try:
                if book.told != throttle.count:
                    throttle.tell(book)
                return decide(order, book, self.limits, self._clock(), throttle)
            except (TypeError, ArithmeticError) as error:
                # A figure that is missing, or no float: whatever it was, it proves nothing.
                sentence = f"its figures cannot be reckoned with: {error}"
                return refused(PreTradeLimit.FIGURES, math.nan, math.nan, sentence)
