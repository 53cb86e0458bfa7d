"""The pulse of the alert feed: whether anybody is there who would raise an alert.

The Watchdog fires always, so its arrival proves that Prometheus evaluates rules and reaches
this service. Without that proof nothing could trip the kill switch, and the gate must not go on
allowing risk: its lease is no longer renewed until the Watchdog arrives again.

One that Alertmanager hands on counts for nothing here. It trips nothing either (:mod:`.doubt`), so
where notifications alone arrive, the gate closes because the alert feed is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from risk_policy.contracts.gate import now_ns

_NANOSECONDS: Final = 1_000_000_000


class Pulse:
    """When the Watchdog last arrived on the alert feed. Safe to share by threads."""

    def __init__(self, silence_seconds: float, clock: Callable[[], int] = now_ns) -> None:
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._beat_ns: int | None = None
        self._heard_since_ns: int | None = None

    def beat(self) -> None:
        """The Watchdog has arrived."""
        now, last = self._clock(), self._beat_ns
        if last is None or now - last > self._silence_seconds * _NANOSECONDS:
            self._heard_since_ns = now
        self._beat_ns = now

    @property
    def heard_since_ns(self) -> int | None:
        """Since when the feed has been alive without a break; None while it is not."""
        return None if self.complaint else self._heard_since_ns

    @property
    def lost_since_ns(self) -> int | None:
        """When it was last felt, if that is too long ago; None before the first time, too."""
        beat = self._beat_ns
        if beat is None or (self._clock() - beat) / _NANOSECONDS <= self._silence_seconds:
            return None
        return beat

    @property
    def complaint(self) -> str:
        """Why the feed cannot be trusted; empty if it can."""
        if self._beat_ns is None:
            return "the Watchdog has not arrived on the alert feed since the start"
        silent = (self._clock() - self._beat_ns) / _NANOSECONDS
        if silent > self._silence_seconds:
            return f"the Watchdog has not arrived on the alert feed for {silent:.1f} s"
        return ""
