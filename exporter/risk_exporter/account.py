"""One account: takes snapshots in, one at a time, and keeps what has to survive a restart.

Order within a snapshot: judged, measured, published, stored. Publishing comes first, because
a slow or full disk must not hold back a figure that an alert waits for; a failure to store is
reported as unhealthy and tried again with every snapshot.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from risk_exporter.admission import admit
from risk_exporter.errors import Refusal, SnapshotRefusedError
from risk_exporter.history import CloseHistory
from risk_exporter.measures import Conventions, Floats, Measures, measure, open_positions
from risk_exporter.memory import AccountFolder, AccountState
from risk_exporter.series import Labels, Published
from risk_policy.contracts.snapshot import Snapshot

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all accounts have in common.

    Attributes:
        conventions: how figures are computed.
        window_days: returns that value at risk looks back on.
        stale_after: how far a clock may be ahead, and how old the state on disk may get.
    """

    conventions: Conventions
    window_days: int
    stale_after: timedelta


@dataclass(frozen=True, slots=True)
class _Marks:
    """The marks of a day, as far as it has come."""

    day: str
    symbols: tuple[str, ...]
    marks: Floats


class Account:
    """Thread-safe; ``published`` may be read without waiting for the disk."""

    def __init__(self, folder: AccountFolder, terms: Terms) -> None:
        self._lock = threading.Lock()
        self._folder = folder
        self._terms = terms
        self._history = CloseHistory(terms.window_days)
        self._state = folder.load()
        self._stored = self._state
        self._stored_at: datetime | None = None
        self._failure = ""
        self._market_time: datetime | None = None
        self._labels: Labels | None = None
        self._marks: _Marks | None = None
        self._unsaved_days: dict[str, _Marks] = {}
        self._count = 0
        self._published: Published | None = None
        for day, closes in folder.load_closes().items():
            marks = np.array(list(closes.values()), dtype=np.float64)
            self._history.record(day, tuple(closes), marks)

    @property
    def published(self) -> Published | None:
        """What a scrape sees; None before the first snapshot."""
        return self._published

    @property
    def failure(self) -> str:
        """Why the latest state is not on disk, empty if it is."""
        return self._failure

    def seed(self, closes: dict[str, dict[str, float]]) -> None:
        """Merge daily closes. They are not stored: who has them gives them at every start."""
        with self._lock:
            self._history.seed(closes)

    def observe(self, snapshot: Snapshot, now: datetime) -> Measures:
        """Take a snapshot in. Raises SnapshotRefusedError."""
        with self._lock:
            admit(
                snapshot,
                self._state,
                market_time_latest=self._market_time,
                now=now,
                tolerance=self._terms.stale_after,
            )
            state = self._state.after(snapshot) if self._state else AccountState.first(snapshot)
            if self._state and state.trading_day > self._state.trading_day:
                self._close_day(state.trading_day)
            measures = self._measure(snapshot, state)
            self._publish(snapshot, state, measures, now)
            self._store(now)
            return measures

    def flush(self, now: datetime) -> None:
        """Store everything, for a clean stop."""
        with self._lock:
            self._stored_at = None
            self._store(now)

    def _close_day(self, next_day: str) -> None:
        """The marks last seen become the closes of their day."""
        if self._marks is not None:
            self._history.record(self._marks.day, self._marks.symbols, self._marks.marks)
            self._unsaved_days[self._marks.day] = self._marks
            self._marks = None
        self._history.trim(next_day)

    def _measure(self, snapshot: Snapshot, state: AccountState) -> Measures:
        symbols = tuple([position.symbol for position in open_positions(snapshot)])
        measures = measure(
            snapshot,
            state.reference,
            self._history.returns(symbols, state.trading_day),
            self._terms.conventions,
            self._labels.layout if self._labels else None,
        )
        if not np.isfinite(measures.exposure_gross):
            raise SnapshotRefusedError(
                Refusal.OVERFLOW,
                "positions",
                "quantity times mark is beyond all numbers; check the units of both",
            )
        return measures

    def _publish(
        self, snapshot: Snapshot, state: AccountState, measures: Measures, now: datetime
    ) -> None:
        if self._labels is None or self._labels.layout is not measures.layout:
            self._labels = Labels.of(snapshot.account, snapshot.currency, measures.layout)
        if snapshot.trading_day == state.trading_day:
            marks = np.array([p.mark for p in open_positions(snapshot)], dtype=np.float64)
            self._marks = _Marks(state.trading_day, measures.layout.symbols, marks)
        elif self._market_time is None:
            _log.warning(
                "account %s: %s is before the latest day known, %s; figures are measured against "
                "that day. A new replay needs a state folder of its own",
                snapshot.account,
                snapshot.trading_day,
                state.trading_day,
            )
        self._state = state
        self._market_time = snapshot.market_time
        self._count += 1
        self._published = Published(
            measures, self._labels, self._count, min(now, snapshot.taken_at)
        )

    def _store(self, now: datetime) -> None:
        state = self._state
        if state is None or not (self._failure or self._is_due(state, now)):
            return
        try:
            if self._stored is None and self._unsaved_days:
                # Closes without a state are taken for a lost state, so the state comes first.
                self._folder.save(state)
            for day, marks in list(self._unsaved_days.items()):
                self._folder.save_closes(day, marks.symbols, marks.marks)
                del self._unsaved_days[day]
            self._folder.save(state)
            if self._stored is None or self._stored.trading_day != state.trading_day:
                self._folder.forget_closes({*self._history.days, state.trading_day})
            if self._marks is not None and self._is_old(now):
                self._folder.save_closes(self._marks.day, self._marks.symbols, self._marks.marks)
        except OSError as error:
            if not self._failure:
                _log.exception("account %s: its state is not stored", state.account)
            self._failure = f"{self._folder.path}: {error.strerror}"
            return
        self._stored, self._stored_at, self._failure = state, now, ""

    def _is_due(self, state: AccountState, now: datetime) -> bool:
        stored = self._stored
        return (
            stored is None
            or state.equity_peak != stored.equity_peak
            or state.trading_day != stored.trading_day
            or self._is_old(now)
        )

    def _is_old(self, now: datetime) -> bool:
        return self._stored_at is None or abs(now - self._stored_at) >= self._terms.stale_after
