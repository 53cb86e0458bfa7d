"""The heartbeat of the event loop: whether requests are being answered at all.

Alerts and an operator's kill come in through one event loop. While it stands still nothing can
trip the kill switch, so the gate must not go on allowing risk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from risk_policy.contracts.gate import now_ns

_NANOSECONDS: Final = 1_000_000_000


class Heartbeat:
    """When the event loop last turned. Safe to share by threads."""

    def __init__(self, longest_seconds: float, clock: Callable[[], int] = now_ns) -> None:
        """``longest_seconds`` is how long it may stand still."""
        self._longest_seconds = longest_seconds
        self._clock = clock
        self._beat_ns: int | None = None

    def beat(self) -> None:
        """It turns."""
        self._beat_ns = self._clock()

    @property
    def is_felt(self) -> bool:
        """Whether it turned lately."""
        return not self.complaint

    @property
    def complaint(self) -> str:
        """What is wrong; empty if nothing."""
        if self._beat_ns is None:
            return "the event loop has not started"
        still = (self._clock() - self._beat_ns) / _NANOSECONDS
        if still > self._longest_seconds:
            return f"the event loop has not turned for {still:.1f} s"
        return ""
