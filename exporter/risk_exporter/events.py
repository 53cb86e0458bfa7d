"""When stops and take-profits were last hit, for a day and within bounds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from risk_exporter.named import NOTHING, Named
from risk_policy.contracts.snapshot import EventKind, Snapshot

_KEPT: Final = timedelta(days=1)
#: Kinds and symbols that are shown at most, the latest ones: each is a series.
_MOST: Final = 1000


class RecentEvents:
    """Of one account. Not thread-safe; the account's lock guards it.

    Args:
        tolerance: how far clocks may differ; what is further ahead came from a wrong one.
    """

    def __init__(self, tolerance: timedelta) -> None:
        self._tolerance = tolerance
        self._at: dict[tuple[EventKind, str], float] = {}
        self._named: dict[EventKind, Named] = {}

    def observe(self, snapshot: Snapshot) -> None:
        """Take a snapshot's events in, and let go of what is older than a day."""
        if not snapshot.events and not self._at:
            return
        latest = dict(self._at)
        for event in snapshot.events:
            key, at = (event.kind, event.symbol), event.at.timestamp()
            latest[key] = max(latest.get(key, at), at)
        oldest = (snapshot.taken_at - _KEPT).timestamp()
        newest = (snapshot.taken_at + self._tolerance).timestamp()
        recent = sorted(
            ((at, key) for key, at in latest.items() if oldest < at <= newest), reverse=True
        )[:_MOST]
        self._at = {key: at for at, key in sorted(recent)}
        self._named = {
            kind: Named.of((symbol, at) for (k, symbol), at in self._at.items() if k is kind)
            for kind in EventKind
        }

    def of(self, kind: EventKind) -> Named:
        """Unix time by symbol."""
        return self._named.get(kind, NOTHING)
