"""The countdown that the simulated exchange keeps beside its orders.

It has a clock of its own and takes part in no thread: time passes for it whenever somebody looks.
A real exchange goes on while the runtime is frozen; this one lives in the same process and acts as
soon as that runs again, before any order is filled, so that the book is the same. It is not stored:
an exchange that ended with its process has nothing left to cancel on time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from risk_runtime.paper.broker import PaperBroker


class PaperCountdown:
    """Implements :class:`risk_runtime.dead_man.CancelAllAfter`."""

    def __init__(self, broker: PaperBroker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._ends_at: float | None = None

    def refresh(self, seconds: float) -> None:
        """Count from the beginning. What has run out already is not undone by being late."""
        self.pass_time()
        self._ends_at = self._clock() + seconds

    def disarm(self) -> None:
        """Cancel nothing by itself any more."""
        self._ends_at = None

    def pass_time(self) -> tuple[str, ...]:
        """Let it run out if it has; the orders that were cancelled."""
        if self._ends_at is None or self._clock() < self._ends_at:
            return ()
        self._ends_at = None
        order_ids = tuple(order.order_id for order in self._broker.working)
        for order_id in order_ids:
            self._broker.cancel(order_id)
        return order_ids
