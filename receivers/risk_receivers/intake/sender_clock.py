"""What Prometheus means by "until", on a clock that is not ours.

Prometheus writes no status on the alert feed: an alert is over once its ``endsAt`` lies in the
past, and a firing one ends a lease (4 repeats) ahead. If our clock is ahead of Prometheus's by
more than that, everything that fires looks as if it were over. The Watchdog tells: it fires
always, so an end that keeps moving and still lies closer than a lease shows how far Prometheus's
clock is behind. Its last end before it was taken out of the rules does not move and shows nothing.

This fails towards firing: what is wrongly taken for firing is over at a later repeat. Until the
Watchdog has told, for a lease at the most, an end that has passed is no certain one; nor is it once
the Watchdog was last heard longer ago than a lease, as it is after our clock was set. The pulse
of the feed does not depend on it: a Watchdog whose end has passed on our clock is no sign of
life, so that nothing old opens the gate.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Final, NamedTuple

_NOTHING: Final = timedelta()
_log = logging.getLogger(__name__)


class End(NamedTuple):
    """What the end of an alert says.

    Attributes:
        at: on our clock, if it fires.
        is_certain: whether it would be the same if the clocks turned out to differ.
    """

    at: datetime | None
    fires: bool
    is_certain: bool = True


class SenderClock:
    """How far Prometheus's clock is behind ours, if it matters. Safe to share by threads."""

    def __init__(self, lease_seconds: float) -> None:
        """Takes how far ahead Prometheus lets a firing alert end."""
        self._lock = threading.Lock()
        self._lease = timedelta(seconds=lease_seconds)
        self._repeat = self._lease / 4
        self._behind = _NOTHING
        self._heard_at: datetime | None = None
        self._passed: datetime | None = None
        self._told = False
        self._began_at: datetime | None = None

    def hear(self, watchdog_ends_at: datetime, now: datetime) -> None:
        """A Watchdog has arrived."""
        with self._lock:
            self._hear(watchdog_ends_at, now)

    def _hear(self, watchdog_ends_at: datetime, now: datetime) -> None:
        if watchdog_ends_at <= now:
            passed, self._passed = self._passed, watchdog_ends_at
            if passed is None or watchdog_ends_at <= passed:
                return
        self._told = True
        behind = now - (watchdog_ends_at - self._lease)
        if behind <= self._repeat:  # on its way for a while, no more
            behind = _NOTHING
        # Of several Prometheus servers the one that is furthest behind counts.
        if behind >= self._behind or self._is_old(now):
            if behind and not self._behind:
                _log.warning(
                    "Prometheus's clock is %.1f s behind ours, or its alerts come as late; "
                    "check time synchronisation",
                    behind.total_seconds(),
                )
            self._behind, self._heard_at = behind, now

    def read(self, ends_at: datetime | None, now: datetime) -> End:
        """What the end of an alert says."""
        if ends_at is None:
            return End(None, fires=True)
        behind = self._behind
        on_our_clock = ends_at + behind
        if behind and on_our_clock > now + self._lease / 2:
            return End(on_our_clock, fires=True)
        fires = ends_at > now
        return End(ends_at, fires=fires, is_certain=fires or self._is_known(now))

    def _is_known(self, now: datetime) -> bool:
        """Whether the Watchdog has told, or has had the time to."""
        if self._told and self._is_old(now):
            self._told, self._began_at = False, now
        self._began_at = self._began_at or now
        return self._told or abs(now - self._began_at) > self._lease

    def _is_old(self, now: datetime) -> bool:
        # Whichever way round: our own clock may have been set back in between.
        return self._heard_at is None or abs(now - self._heard_at) > self._lease
