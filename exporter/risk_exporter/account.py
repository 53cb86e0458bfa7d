"""One account: takes snapshots in, one at a time, and keeps what has to survive a restart.

Order within a snapshot: judged, measured, published, watched by the fast lane, stored. Storing
comes last, because a slow or full disk must not hold back a figure that an alert waits for; a
failure to store is reported as unhealthy and tried again with every snapshot.

What is remembered is published from the start, and shows its age: an account that was alive
before a restart and does not report after it is stale, not gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from risk_exporter.admission import admit
from risk_exporter.days import forecast_of
from risk_exporter.errors import Refusal, ResetRefusedError, SnapshotRefusedError, StateError
from risk_exporter.events import RecentEvents
from risk_exporter.history import CloseHistory
from risk_exporter.keeper import Keeper, Marks, Pace
from risk_exporter.market import MarketCloses
from risk_exporter.measures import Measures, measure, open_positions
from risk_exporter.memory import AccountFolder, AccountState
from risk_exporter.prices import PriceWindow
from risk_exporter.series import Labels, NamedBlocks, Published, Remembered, named_blocks
from risk_exporter.stops import StopWatch
from risk_exporter.value_at_risk import Conventions
from risk_policy.contracts.high_water_mark import Reset, Standing, decimal_text
from risk_policy.contracts.snapshot import Snapshot, utc_day

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all accounts have in common.

    Attributes:
        conventions: how figures are computed.
        window_days: returns that value at risk looks back on.
        pace: how often the state is stored; also how far a clock may be ahead.
        price_period: market time within which the range of prices is taken.
        watch: is shown whatever is published, before it is stored. Must not wait.
    """

    conventions: Conventions
    window_days: int
    pace: Pace
    price_period: timedelta
    watch: Callable[[Published, datetime], None]


class Account:
    """Thread-safe; ``published`` may be read without waiting for the disk."""

    def __init__(
        self, folder: AccountFolder, terms: Terms, market: MarketCloses, now: datetime
    ) -> None:
        self._lock = threading.Lock()
        self._terms = terms
        self._market = market
        self._history = CloseHistory(terms.window_days, terms.conventions.var_min_samples)
        self._keeper = Keeper(folder, terms.pace)
        self._state = self._keeper.stored
        self._market_time: datetime | None = None
        self._market_version = market.version
        self._market_seen: set[str] = set()
        self._labels: Labels | None = None
        self._marks: Marks | None = None
        self._prices = PriceWindow(terms.price_period)
        self._stops = StopWatch(folder.path)
        self._events = RecentEvents(terms.pace.stale_after)
        self._named = NamedBlocks(folder.path.name)
        self._count = 0
        self._published: Published | Remembered | None = None
        self._latest_flat: Snapshot | None = None  # the latest snapshot, if it held nothing
        if self._state is not None:
            self._published = Remembered(self._state, min(now, self._state.taken_at_last))
        for day, closes in folder.load_closes().items():
            marks = np.array(list(closes.values()), dtype=np.float64)
            self._history.record(day, tuple(closes), marks)

    @property
    def published(self) -> Published | Remembered | None:
        """What a scrape sees; None while nothing was ever known."""
        return self._published

    @property
    def failure(self) -> str:
        """Why the latest state is not on disk, empty if it is."""
        return self._keeper.failure

    def unsaved_seconds(self, now: datetime) -> float:
        """Age of the oldest change that should be on disk and is not; 0 if all of it is."""
        return self._keeper.unsaved_seconds(now)

    def seed(self, closes: dict[str, dict[str, float]]) -> None:
        """Merge daily closes. They are not stored: who has them gives them at every start."""
        with self._lock:
            self._history.seed(closes)

    def observe(self, snapshot: Snapshot, now: datetime) -> Measures:
        """Take a snapshot in. Raises SnapshotRefusedError."""
        tolerance = self._terms.pace.stale_after
        with self._lock:
            known = self._state
            admit(
                snapshot,
                known,
                market_time_latest=self._market_time,
                now=now,
                tolerance=tolerance,
            )
            if known is None:
                state = AccountState.first(snapshot)
            else:
                state = known.after(snapshot, tolerance)
                if known.is_ahead_of(snapshot, tolerance):
                    self._drop_future(known, snapshot)
                elif state.trading_day > known.trading_day:
                    self._keeper.end_day(known.as_day)
                    self._close_day(state.trading_day)
            measures = self._measure(snapshot, state)
            state = state.foreseeing(forecast_of(measures, self._terms.conventions))
            self._publish(snapshot, state, measures, now)
            self._keeper.keep(state, self._marks, self._history.days, now)
            self._stops.keep()
            return measures

    @property
    def mark_reset_at(self) -> datetime | None:
        """When somebody last reset the high-water mark."""
        state = self._state
        return state.mark_reset.at if state and state.mark_reset else None

    def standing(self, now: datetime) -> Standing:
        """How the account stands. Raises ResetRefusedError if nothing is known of it yet."""
        with self._lock:
            return self._standing(now)

    def reset_mark(self, reset: Reset, now: datetime) -> Standing:
        """Measure drawdowns from the latest equity from now on; a reset that was done is no news.

        Durable when this returns. Raises ResetRefusedError, or StateError if it cannot be stored.
        """
        with self._lock:
            standing = self._standing(now)
            if standing.reset_id == reset.id:
                return standing
            if standing.obstacle:
                raise ResetRefusedError(standing.obstacle)
            recorded = reset.currency, reset.before, reset.after
            if recorded != (standing.currency, standing.high_water_mark, standing.equity):
                raise ResetRefusedError(
                    f"on record is a reset from {reset.before} to {reset.after} {reset.currency}, "
                    f"but the mark is {standing.high_water_mark} and the equity {standing.equity} "
                    f"{standing.currency} now: ask anew"
                )
            assert self._state is not None
            assert self._latest_flat is not None
            state = self._state.after_reset(reset.id, now)
            self._keeper.flush(state, self._marks, self._history.days, now)
            if failure := self._keeper.failure:
                raise StateError(f"the reset cannot be stored, so nothing was changed: {failure}")
            measures = self._measure(self._latest_flat, state)
            self._publish(self._latest_flat, state, measures, now)
            _log.warning(
                "account %s: its high-water mark was reset from %s to %s %s, audit event %d",
                *(reset.account, reset.before, reset.after, reset.currency, reset.audit_seq),
            )
            return self._standing(now)

    def _standing(self, now: datetime) -> Standing:
        state = self._state
        if state is None:
            raise ResetRefusedError("nothing is known of the account yet; send a snapshot")
        return Standing(
            account=state.account,
            currency=state.currency,
            high_water_mark=decimal_text(state.equity_peak),
            equity=decimal_text(state.equity_last),
            obstacle=self._obstacle(state, now),
            reset_id=state.mark_reset.id if state.mark_reset else "",
        )

    def _obstacle(self, state: AccountState, now: datetime) -> str:
        published = self._published
        if not isinstance(published, Published):
            return "no snapshot has come since the exporter was started: it may hold anything"
        age = now - published.fresh_at
        if age > self._terms.pace.stale_after:
            return (
                f"its latest snapshot is {age.total_seconds():.0f} s old: it may hold anything now"
            )
        if self._latest_flat is None:
            return "positions are open; close them first"
        if state.equity_last <= 0:
            return "there is no equity left that a drawdown could be measured from"
        if state.equity_last >= state.equity_peak:
            return "the equity stands at its high-water mark; there is nothing to reset"
        return ""

    def flush(self, now: datetime) -> None:
        """Store everything, for a clean stop."""
        with self._lock:
            if self._state is not None:
                self._keeper.flush(self._state, self._marks, self._history.days, now)

    def _close_day(self, next_day: str) -> None:
        """The marks last seen become the closes of their day."""
        if self._marks is not None:
            self._history.record(self._marks.day, self._marks.symbols, self._marks.marks)
            self._keeper.close_day(self._marks)
            self._marks = None
        self._history.trim(next_day)

    def _drop_future(self, known: AccountState, snapshot: Snapshot) -> None:
        """Forget days that have not come yet."""
        _log.warning(
            "account %s: %s was remembered as its latest day, but it is %s only; a clock was "
            "ahead. The day starts anew from the latest equity known",
            known.account,
            known.trading_day,
            snapshot.trading_day,
        )
        today = utc_day(snapshot.taken_at + self._terms.pace.stale_after)
        self._marks = None
        self._history.forget_after(today)
        self._keeper.drop_days(today)

    def _measure(self, snapshot: Snapshot, state: AccountState) -> Measures:
        symbols = tuple([position.symbol for position in open_positions(snapshot)])
        self._consult_market(symbols)
        measures = measure(
            snapshot,
            state.reference,
            self._history.sample(symbols, state.trading_day),
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

    def _consult_market(self, symbols: tuple[str, ...]) -> None:
        """Take over what is given for every account, of the symbols that are held here."""
        version = self._market.version
        if version != self._market_version:
            self._market_version = version
            self._market_seen.clear()
        if self._labels and self._labels.layout.symbols == symbols and self._market_seen:
            return
        new = [symbol for symbol in symbols if symbol not in self._market_seen]
        if new:
            self._history.seed(self._market.of(new))
            self._market_seen.update(new)

    def _publish(
        self, snapshot: Snapshot, state: AccountState, measures: Measures, now: datetime
    ) -> None:
        if self._labels is None or self._labels.layout is not measures.layout:
            self._labels = Labels.of(snapshot.account, snapshot.currency, measures.layout)
        positions, symbols = open_positions(snapshot), measures.layout.symbols
        marks = np.array([position.mark for position in positions], dtype=np.float64)
        if snapshot.trading_day == state.trading_day:
            self._marks = Marks(state.trading_day, symbols, marks)
        elif self._market_time is None:
            _log.warning(
                "account %s: %s is before the latest day known, %s; figures are measured against "
                "that day. A new replay needs a state folder of its own",
                snapshot.account,
                snapshot.trading_day,
                state.trading_day,
            )
        self._state = state
        self._latest_flat = None if positions else snapshot
        self._market_time = snapshot.market_time
        self._count += 1
        self._events.observe(snapshot)
        named = named_blocks(
            self._named,
            measures.reported,
            self._prices.observe(snapshot.market_time, symbols, marks),
            self._stops.observe(snapshot, positions, symbols),
            self._events,
        )
        self._published = published = Published(
            measures,
            self._labels,
            named,
            self._count,
            min(now, snapshot.taken_at),
            snapshot.gating,
        )
        self._terms.watch(published, now)
