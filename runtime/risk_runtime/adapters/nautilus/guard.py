"""The guard: one actor that stands between every strategy and the venues.

Invariants:

* no order reaches a venue unless the pre-trade checks and the gate let it through, whichever
  strategy, algorithm or emulator sent it; before the guard has started as well as after it has
  stopped;
* nautilus's TradingState follows the gate both ways, and goes back to what it was;
* the kill switch is looked at before anything else: at the start, after every event, and in a live
  node within milliseconds of a change at the gate;
* a snapshot that cannot be made is not made up: the last one grows old, which raises an alert.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import TestClock
from nautilus_trader.model.events import (
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderModifyRejected,
    OrderRejected,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from nautilus_trader.model.objects import Currency
from pydantic import ValidationError

from risk_exporter import ExporterError
from risk_policy.clock import utc_now
from risk_runtime.adapters.layer import RiskLayer
from risk_runtime.adapters.nautilus.account import NautilusAccount
from risk_runtime.adapters.nautilus.closer import Closer
from risk_runtime.adapters.nautilus.config import RiskGuardConfig
from risk_runtime.adapters.nautilus.door import Door
from risk_runtime.adapters.nautilus.judge import Judge
from risk_runtime.adapters.nautilus.obedience import Obedience
from risk_runtime.adapters.nautilus.record import TradeRecord
from risk_runtime.adapters.nautilus.snapshots import UnpricedError, gating_of, snapshot_of
from risk_runtime.adapters.nautilus.tell import Teller
from risk_runtime.dead_man import CancelAllAfter, DeadMansSwitch
from risk_runtime.gate_reading import GateState
from risk_runtime.pretrade import PreTradeChecks
from risk_runtime.pretrade.checks import boottime

#: Longest wait at the gate before everything is looked at again, in a live node.
_WATCH_SECONDS: Final = 0.1
_SETTLE: Final = "riskwarden-settle"
_DATA: Final = ("data.bars.*", "data.quotes.*", "data.trades.*")
_EVENTS: Final = ("events.order.*", "events.position.*")

_log = logging.getLogger(__name__)


class RiskGuard(Actor):
    """Watches one nautilus kernel for the risk layer. Attach it before anything is run."""

    def __init__(
        self,
        layer: RiskLayer,
        config: RiskGuardConfig | None = None,
        *,
        countdown: CancelAllAfter | None = None,
        uptime: Callable[[], float] = boottime,
    ) -> None:
        """``countdown`` is the venue's cancel-all-after, which a live node refreshes."""
        super().__init__(config or RiskGuardConfig())
        self._dead_man = (
            None if countdown is None else DeadMansSwitch.from_policy(layer.policy, countdown)
        )
        self._is_shown = False
        self._uptime = uptime
        self._layer = layer
        self._gate = layer.gate
        self._record = TradeRecord()
        self._published_at = float("-inf")
        self._dirty = False
        self._ending = threading.Event()
        self._watcher: threading.Thread | None = None

    def attach(self, system: Any) -> RiskGuard:
        """Stand before the venues of a BacktestEngine or a TradingNode."""
        kernel, config = system.kernel, self.config
        self._kernel = kernel
        self._account = NautilusAccount(
            kernel.cache, Currency.from_str(config.currency), config.account, config.sectors
        )
        self._teller = Teller(
            config.account, self._layer.reporter, self._layer.exporter, self._market_time
        )
        seconds = self._seconds
        judge = Judge(
            self._account,
            self._gate,
            PreTradeChecks(self._layer.limits, clock=seconds),
            max_exposure_ratio=config.max_exposure_ratio,
            now=seconds,
        )
        self._judge = judge
        self._door = Door(kernel, judge, self._refused)
        self._closer = Closer(kernel, self._account, self._door.pass_on, self._teller)
        self._obedience = Obedience(
            self._account,
            judge,
            self._closer,
            graceful_seconds=self._layer.graceful_timeout.total_seconds(),
            resting_seconds=config.resting_seconds,
            uptime=self._uptime,
        )
        kernel.trader.add_actor(self)
        return self

    # -- nautilus calls ----------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin to watch."""
        for topic, handler in self._subscriptions.items():
            self.msgbus.subscribe(topic=topic, handler=handler)
        if not isinstance(self.clock, TestClock):
            self._watch(asyncio.get_running_loop())
        self._carefully(self.look)

    def on_stop(self) -> None:
        """Stop watching; whoever sends an order is still judged."""
        for topic, handler in self._subscriptions.items():
            self.msgbus.unsubscribe(topic=topic, handler=handler)
        if _SETTLE in self.clock.timer_names:
            self.clock.cancel_timer(_SETTLE)
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        self._publish()
        self._teller.flush()

    @property
    def _subscriptions(self) -> dict[str, Callable[[Any], None]]:
        of_data = _DATA if isinstance(self.clock, TestClock) else ()
        return {
            **dict.fromkeys(_EVENTS, self._on_event),
            **dict.fromkeys(of_data, self._on_data),
        }

    def _on_data(self, _: object) -> None:
        """In a backtest: look once everything of this instant has been taken in."""
        if _SETTLE not in self.clock.timer_names:
            now = self.clock.timestamp_ns()
            due = (
                int((self._published_at + self.config.publish_seconds) * 1e9) if self._dirty else 0
            )
            self.clock.set_time_alert_ns(_SETTLE, max(now + 1, due), self._settle)

    def _settle(self, _: object) -> None:
        self._carefully(self.look)

    def _on_event(self, event: Any) -> None:
        self._carefully(lambda: self._take_in(event))

    def _carefully(self, act: Callable[[], None]) -> None:
        """Do something that must not end nautilus's own handling of what led to it."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the next look tries again, the door stays shut
            _log.exception("the guard goes on after an error that nobody had planned for")
            self._layer.exporter.count_unexpected(error)

    def _take_in(self, event: Any) -> None:
        match event:
            case OrderFilled():
                self._record.filled(event, self.cache.order(event.client_order_id))
                self._closer.filled(event)
                return  # what it did to the position is told next
            case OrderCanceled() | OrderExpired():
                self._closer.cancelled(event.client_order_id)
            case OrderCancelRejected():
                self._closer.not_cancelled(event.client_order_id)
            case OrderRejected():
                self._closer.refused(event)
                self._closer.cancelled(event.client_order_id)
            case OrderDenied() | OrderModifyRejected():
                self._closer.refused(event)
                if "TradingState" in event.reason:
                    self._denied_by_nautilus(event)
            case PositionClosed():
                self._record.closed(event)
                self._closer.position_closed(self.cache.position(event.position_id))
            case PositionOpened() | PositionChanged():
                pass
            case _:
                return
        reading = self._gate.read()
        if self._obedience.is_imposing or reading.restrictions:
            self._obedience.obey(reading)

    # -- looking -----------------------------------------------------------------------------

    def look(self) -> None:
        """Obey the gate, show the account to the exporter, and obey what that led to."""
        self.obey()
        if self._seconds() - self._published_at >= self.config.publish_seconds:
            self._publish()
            if isinstance(self.clock, TestClock):
                self._stand_still()
            self.obey()
        if self._dead_man is not None:
            fresh = self._gate.read().state in (GateState.OPEN, GateState.HALTED)
            self._dead_man.beat(is_well=fresh and self._is_shown)
        self._teller.flush()

    def obey(self) -> None:
        """Do what the gate asks for now."""
        self._obedience.obey(self._gate.read())

    def _stand_still(self) -> None:
        """A backtest's day takes a millisecond: wait for the receivers as real time would."""
        lane = self._layer.lane
        deadline = time.monotonic() + self.config.settle_seconds
        while lane is not None and lane.unacknowledged and time.monotonic() < deadline:
            self._gate.wait_change(0.01)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        def run() -> None:
            while not self._ending.is_set():
                self._gate.wait_change(_WATCH_SECONDS)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._settle, None)

        self._ending.clear()
        self._watcher = threading.Thread(target=run, name="risk-guard", daemon=True)
        self._watcher.start()

    # -- telling -----------------------------------------------------------------------------

    def _publish(self) -> None:
        try:
            snapshot = snapshot_of(
                self._account,
                taken_at=utc_now(),
                market_time=self._market_time(),
                reports_stops=self.config.reports_stops,
                consecutive_losses=self._record.losses_in_row,
                events=self._record.events,
                gating=gating_of(self._kernel.environment),
            )
            self._layer.exporter.observe(snapshot)
        except (UnpricedError, ValidationError, ExporterError, OSError) as error:
            _log.error("no snapshot: %s", error)
            self._is_shown = False
            return
        self._is_shown = True
        self._published_at = self._seconds()
        self._dirty = True

    def _refused(self, refusal: Any) -> None:
        self._carefully(lambda: self._teller.blocked(refusal))
        self._carefully(self.obey)  # the gate may have closed this instant

    def _denied_by_nautilus(self, event: Any) -> None:
        """The gate's other hand was first."""
        order = self.cache.order(event.client_order_id)
        if order is not None:
            self._teller.blocked(self._judge.denied(order, event.reason))

    def _seconds(self) -> float:
        return float(self._kernel.clock.timestamp_ns()) / 1e9

    def _market_time(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC)
