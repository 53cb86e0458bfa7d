"""The paper runtime's loop: replay days, watch the gate, obey the kill switch, tell all of it.

Invariants:

* the kill switch is obeyed before anything else: at the start, after every day, and within
  milliseconds of a change at the gate while waiting for the next day;
* what is told (reports, journal) is stored first; what cannot be stored does not stop closing;
* the exporter's snapshot is renewed all the time, so a stale one means that this process is
  dead, not that it waits.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from risk_exporter import ExporterError
from risk_policy.clock import utc_now
from risk_policy.contracts.reports import TradeBlocked
from risk_policy.contracts.restriction import Kill
from risk_policy.vocabulary import KillMode
from risk_runtime.dead_man import DeadMansSwitch
from risk_runtime.errors import AccountStoreError, NotFlatError
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import GateReading, GateState
from risk_runtime.paper import journal
from risk_runtime.paper.account import AccountStore, StoredAccount
from risk_runtime.paper.broker import BrokerState, PaperBroker, TradingMode
from risk_runtime.paper.countdown import PaperCountdown
from risk_runtime.paper.desk import Desk, Told
from risk_runtime.paper.journal import Journal
from risk_runtime.paper.replay import Replay, market_close
from risk_runtime.paper.snapshot import snapshot_of
from risk_runtime.paper.strategy import EqualWeightStrategy
from risk_runtime.paper.within import symbols_within, whole
from risk_runtime.pretrade import PreTradeLimits
from risk_runtime.pretrade.checks import boottime
from risk_runtime.prices import TradingDay, closes_of
from risk_runtime.reporting.ports import Figures, Observer, ReportSink, count_from_zero

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast time runs.

    Attributes:
        days_per_second: trading days in a second; infinite runs as fast as it can.
        days_per_second_after_kill: the same once the account was closed by the kill switch.
        renew_seconds: how often the snapshot is renewed between days.
        watch_seconds: longest wait at the gate before everything is looked at again.
        exit_at_end: leave after the last day instead of serving it on.
    """

    days_per_second: float = math.inf
    days_per_second_after_kill: float = math.inf
    renew_seconds: float = 1.0
    watch_seconds: float = 0.1
    exit_at_end: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """What the account starts with, how long a graceful kill may take, what orders must pass.

    Attributes:
        cancel_all_after_seconds: after which the exchange cancels what works, unless it hears from
            the runtime; 0 never.
    """

    account: str
    starting_cash: Decimal
    graceful_timeout: timedelta
    limits: PreTradeLimits
    cancel_all_after_seconds: float = 0.0


class PaperRuntime:
    """One account replayed. ``run`` returns when told to stop, or at the end if so wished."""

    def __init__(
        self,
        terms: Terms,
        *,
        gate: TradeGate,
        exporter: Observer,
        reporter: ReportSink,
        journal_file: Journal,
        store: AccountStore,
        replay: Replay,
        pace: Pace = Pace(),
        strategy: EqualWeightStrategy | None = None,
        now: Callable[[], datetime] = utc_now,
        uptime: Callable[[], float] = boottime,
        exchange_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``uptime`` counts seconds, whatever is done to the wall clock."""
        self._terms = terms
        self._whole = whole(terms.account)
        self._gate = gate
        self._exporter = exporter
        self._reporter = reporter
        self._journal = journal_file
        self._store = store
        self._replay = replay
        self._pace = pace
        self._now = now
        self._uptime = uptime
        self._stored = store.load() or StoredAccount(
            account=terms.account, broker=BrokerState(cash=terms.starting_cash)
        )
        if self._stored.account != terms.account:
            raise AccountStoreError(
                f"the stored account is {self._stored.account!r}, not {terms.account!r}; "
                "use its name, or another folder"
            )
        count_from_zero(exporter, terms.account)
        self._until = self._stored.replayed_until
        self._day_number = self._stored.day_number
        self._flat_for_kill = self._stored.flat_for_kill
        self._flat_within = set(self._stored.flat_within)
        self._seen_kill: tuple[str, KillMode] | None = None
        self._graceful: dict[str, float] = {}  # when each such kill was first seen
        self._finished = False
        self._is_shown = False
        self.broker = PaperBroker(self._stored.broker)
        self._countdown = PaperCountdown(self.broker, exchange_clock)
        self._dead_man = DeadMansSwitch(
            self._countdown, terms.cancel_all_after_seconds, exchange_clock
        )
        self._desk = Desk(
            terms.account, self.broker, gate, strategy or EqualWeightStrategy(), terms.limits
        )
        self._desk.market_date = self._market_date.isoformat()

    def prepare(self) -> None:
        """Give the exporter its history and the first snapshot. Serve it only after this.

        Raises:
            ExporterError: it cannot take them.
        """
        closes = closes_of(self._replay.known_on(self._until))
        self._exporter.seed_closes(self._terms.account, closes)
        self._publish()

    def run(
        self,
        stop: threading.Event,
        *,
        scraped: Callable[[float], bool] | None = None,
        readiness_seconds: float = 0.0,
    ) -> None:
        """Replay until stopped. To be called once, after :meth:`prepare`.

        Args:
            stop: set to leave; what was done is stored by then.
            scraped: waits so long for Prometheus to have read the first snapshot.
            readiness_seconds: how long to wait for that, and for the gate to open or say why not.
        """
        self._reporter.submit(self._stored.outbox)
        self._obey()
        self._await_readiness(stop, scraped, readiness_seconds)
        self._replay_days(stop)
        if not self._finished:
            self._finish("stopped")

    # -- the loop ----------------------------------------------------------------------------

    def _await_readiness(
        self, stop: threading.Event, scraped: Callable[[float], bool] | None, timeout: float
    ) -> None:
        deadline = time.monotonic() + timeout
        was_scraped = scraped is None
        while not stop.is_set() and time.monotonic() < deadline:
            if not was_scraped and scraped is not None:
                was_scraped = scraped(self._pace.watch_seconds)
            else:
                self._gate.wait_change(self._pace.watch_seconds)
            self._round()
            reading = self._gate.read()
            told = reading.state is GateState.OPEN or reading.kill_over(self._whole) is not None
            if was_scraped and told:
                return
            self._publish()
        if timeout and not stop.is_set():
            _log.warning(
                "after %g s %s; replaying all the same",
                timeout,
                "the gate did not open" if was_scraped else "nothing has scraped",
            )

    def _replay_days(self, stop: threading.Event) -> None:
        ahead = list(reversed(self._replay.after(self._until)))
        next_day_at = renew_at = time.monotonic()
        while not stop.is_set():
            self._round()
            now = time.monotonic()
            if ahead and now >= next_day_at:
                self._play(ahead.pop())
                next_day_at = max(next_day_at + self._seconds_per_day, now)
                renew_at = now + self._pace.renew_seconds
                continue
            if not ahead:
                if not self._finished:
                    self._finish("end_of_data")
                if self._pace.exit_at_end:
                    return
            if now >= renew_at:
                self._publish()
                renew_at = now + self._pace.renew_seconds
            until = min(next_day_at, renew_at) if ahead else renew_at
            self._gate.wait_change(min(max(until - now, 0.0), self._pace.watch_seconds))

    def _round(self) -> None:
        """What comes before anything else, however long the last round took."""
        if abandoned := self._countdown.pass_time():
            text = "the exchange cancelled %d orders: nobody had refreshed its countdown in time"
            _log.warning(text, len(abandoned))
            event = journal.OrdersAbandoned(self._now(), self._market_date.isoformat(), abandoned)
            self._desk.told.events.append(event)
            self._commit()
        self._obey()
        is_decided = self._gate.read().state in (GateState.OPEN, GateState.HALTED)
        self._dead_man.beat(is_well=is_decided and self._is_shown)

    @property
    def _seconds_per_day(self) -> float:
        killed = self.broker.mode is TradingMode.HALTED
        pace = self._pace
        return 1.0 / (pace.days_per_second_after_kill if killed else pace.days_per_second)

    def _play(self, day: TradingDay) -> None:
        self._desk.play(day, self._day_number)
        self._until = day.date
        self._day_number += 1
        # Stored before it is shown: after a crash the exporter must not be ahead of the book.
        self._commit()
        at = self._now()  # before anybody can act on it
        figures = self._publish()
        if figures is not None:
            self._journal.write(self._day_event(figures, at))

    # -- the kill switch ---------------------------------------------------------------------

    def _obey(self) -> None:
        """Do what the gate asks for now. Returns at once if that is nothing new."""
        reading = self._gate.read()
        kill = reading.kill_over(self._whole)
        self._obey_over_all(reading, kill)
        if reading.state is GateState.OPEN and self._flat_within:  # then it is known what holds
            self._flat_within &= {one.id for one in reading.kills}
        for one in reading.kills:
            is_mine = one.scope.account in ("", self._terms.account)
            if is_mine and (kill is None or one.id != kill.id):
                self._obey_within(one)

    def _obey_within(self, kill: Kill) -> None:
        """Do what a kill beside the one over the account asks for; the rest goes on.

        Another one over all of the account is confirmed by itself: each waits for that.
        """
        if not self._closes_now(kill):
            if self._desk.stop_entries_within(kill):
                self._commit()
            return
        is_left = symbols_within(kill.scope, self._terms.account, self.broker)
        if kill.id in self._flat_within and not is_left:
            return
        try:
            for _ in self._desk.close_within(kill):
                self._commit()
        except NotFlatError:
            _log.exception("kill switch %s: NOT FLAT within %s", kill.id, kill.scope)
            return
        self._flat_within.add(kill.id)
        self._publish()
        self._commit()

    def _obey_over_all(self, reading: GateReading, kill: Kill | None) -> None:
        if kill is None:
            if reading.state is GateState.OPEN and self.broker.mode is not TradingMode.ACTIVE:
                self._desk.resume()
                self._flat_for_kill = ""
                self._seen_kill = None
                self._commit()
            return
        if self._seen_kill != (kill.id, kill.mode):
            self._seen_kill = (kill.id, kill.mode)
            if self._flat_for_kill != kill.id:
                self._desk.see_kill(kill.id, kill.cause, kill.mode)
                self._commit()
        if self._closes_now(kill):
            self._close(kill.id)
        elif self._desk.stop_entries(kill.id):
            self._commit()

    def _closes_now(self, kill: Kill) -> bool:
        """Whether everything is to be closed at once.

        The receivers tighten a graceful kill when its time is over. Should they be dead by then, it
        is over here as well, counted from when the kill was first seen.
        """
        if kill.mode is not KillMode.GRACEFUL:
            return kill.mode is KillMode.IMMEDIATE
        now = self._uptime()
        spent_seconds = now - self._graceful.setdefault(kill.id, now)
        return spent_seconds >= self._terms.graceful_timeout.total_seconds()

    def _close(self, kill_id: str) -> None:
        done = self._flat_for_kill == kill_id and self.broker.mode is TradingMode.HALTED
        if done and not self.broker.holdings and not self.broker.working:
            return
        try:
            for _ in self._desk.close_all(kill_id):
                self._commit()
        except NotFlatError:
            _log.exception("kill switch %s: NOT FLAT", kill_id)
            return
        self._flat_for_kill = kill_id
        self._publish()
        self._commit()

    # -- telling -----------------------------------------------------------------------------

    def _commit(self) -> None:
        """Store what was done, then tell it."""
        told, self._desk.told = self._desk.told, Told()
        try:
            self._store.save(
                StoredAccount(
                    account=self._terms.account,
                    broker=self.broker.state(),
                    replayed_until=self._until,
                    day_number=self._day_number,
                    flat_for_kill=self._flat_for_kill,
                    flat_within=tuple(sorted(self._flat_within)),
                    outbox=tuple(told.reports),
                )
            )
        except AccountStoreError:
            # Closing must go on with a full disk, and be told as far as it can.
            _log.exception("the account is not stored")
        self._reporter.submit(told.reports)
        for report in told.reports:
            if isinstance(report, TradeBlocked):
                self._exporter.count_blocked(report.account, report.limit or "gate")
        for event in told.events:
            self._journal.write(event)

    def _finish(self, reason: journal.FinishReason) -> None:
        self._finished = True
        date_text = self._market_date.isoformat()
        self._desk.told.events.append(journal.Finished(self._now(), date_text, reason))
        self._commit()

    @property
    def _market_date(self) -> date:
        return self._until or self._replay.eve

    def _publish(self) -> Figures | None:
        """Show the account to the exporter. If that fails, trading and closing go on.

        The last snapshot grows old then, which raises an alert of its own.
        """
        market_time = market_close(self._market_date)
        snapshot = snapshot_of(self.broker, self._terms.account, self._now(), market_time)
        try:
            figures = self._exporter.observe(snapshot)
        except (ExporterError, OSError) as error:
            self._is_shown = False
            _log.error("the exporter did not take the snapshot: %s", error)
            return None
        self._is_shown = True
        return figures

    def _day_event(self, figures: Figures, at: datetime) -> journal.Day:
        return journal.Day(
            at=at,
            market_date=self._market_date.isoformat(),
            equity=float(self.broker.equity),
            cash=float(self.broker.cash),
            peak=figures.equity_peak,
            drawdown_ratio=figures.drawdown_ratio,
            daily_pnl_ratio=figures.daily_pnl_ratio,
            gross_ratio=figures.exposure_gross_ratio,
            positions_open=len(self.broker.holdings),
            orders_working=len(self.broker.working),
            gate=self._gate.read().state,
        )
