"""The heartbeat of the event loop: whether requests can be answered at all.

Every alert and every kill comes in through one event loop. While it stands still nothing can
trip the kill switch, whatever the threads beside it go on doing; so the gate's lease is not
renewed then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from risk_policy.contracts.gate import now_ns

_NANOSECONDS: Final = 1_000_000_000
#: A beat may come late by as much again: the lease is longer than that, and hides it.
_PATIENCE: Final = 2


class Heartbeat:
    """When the loop last got round to everything it has to do. Safe to share by threads."""

    def __init__(self, interval_seconds: float, clock: Callable[[], int] = now_ns) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._beat_ns: int | None = None

    async def beat_forever(self) -> None:
        """Beat until cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(self._interval_seconds)

    def beat(self) -> None:
        """The loop does its rounds."""
        self._beat_ns = self._clock()

    @property
    def complaint(self) -> str:
        """Why nothing could come in; empty if it can."""
        if self._beat_ns is None:
            return "requests are not answered yet"
        silent = (self._clock() - self._beat_ns) / _NANOSECONDS
        if silent > _PATIENCE * self._interval_seconds:
            return f"no request could be answered for {silent:.1f} s"
        return ""
