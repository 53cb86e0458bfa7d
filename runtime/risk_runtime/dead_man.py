"""The exchange's own dead-man's switch: it cancels what works unless it is told, again and again.

Nothing on this machine can cancel an order once this machine hangs. An exchange that offers it
(Kraken: CancelAllOrdersAfter; Binance futures: countdownCancelAll) keeps a countdown for an account
and cancels all of its working orders when that runs out. The runtime refreshes it from its own
loop and from nowhere else: a thread that refreshed on while the loop hangs would defeat it.

Positions stay as they are. Stops that rest at the exchange are working orders too: whoever relies
on them has to decide between the two, which is why the policy's
``alerting.dead_man.cancel_all_after_seconds`` may be 0.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol, Self

from risk_policy import Policy
from risk_runtime.errors import RiskRuntimeError

#: So many tries before it runs out: one or two that are lost must not cancel anything.
_REFRESHES: Final = 3
_log = logging.getLogger(__name__)


class CancelAllAfter(Protocol):
    """What an adapter implements for an exchange that offers it.

    Both may raise OSError or a RiskRuntimeError, and must not wait longer than a request may take.
    """

    def refresh(self, seconds: float) -> None:
        """Cancel every working order so many seconds from now; replaces an earlier countdown."""

    def disarm(self) -> None:
        """Cancel nothing by itself any more: somebody takes over by hand."""


class DeadMansSwitch:
    """Refreshes the countdown for as long as everything is well. To be called from the loop.

    Args:
        seconds: after which the exchange cancels; 0 asks for nothing.
    """

    def __init__(
        self,
        exchange: CancelAllAfter,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._clock = clock
        self._due_at = clock()
        self._is_well = True

    @classmethod
    def from_policy(cls, policy: Policy, exchange: CancelAllAfter) -> Self:
        """With the time that the policy gives a runtime."""
        return cls(exchange, policy.alerting.dead_man.cancel_all_after_seconds)

    def beat(self, *, is_well: bool) -> None:
        """The loop does its rounds; whether the gate is fresh and the exporter takes snapshots."""
        if not self._seconds:
            return
        if is_well != self._is_well:
            self._is_well = is_well
            text = "refreshed again" if is_well else "no longer refreshed"
            _log.warning("the exchange's countdown (%g s) is %s", self._seconds, text)
        now = self._clock()
        if not is_well or now < self._due_at:
            return
        try:
            self._exchange.refresh(self._seconds)
        except (OSError, RiskRuntimeError) as error:  # tried again at the next beat
            _log.error("the exchange's countdown cannot be refreshed: %s", error)
            return
        self._due_at = now + self._seconds / _REFRESHES
