"""Tells the exporter what the bot holds, as often as asked, from a thread of its own.

Invariant: a snapshot is made of what the bot knows now, or none is made. While the bot is down,
refuses, hangs or has no prices, the exporter's last figures grow old, which raises an alert of its
own. Nothing that happens here ever holds back the kill switch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from pydantic import ValidationError

from risk_exporter import ExporterError
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.bot import Config, Trade
from risk_runtime.adapters.freqtrade.capital import StartingCapital
from risk_runtime.adapters.freqtrade.errors import BotError, NotPricedError, NotSettledError
from risk_runtime.adapters.freqtrade.snapshot import gating_of, snapshot_of

#: The capital changes when somebody pays in or out; asking for it makes the bot value its wallets.
_CAPITAL_SECONDS: Final = 60.0

#: Looks; three are enough for a bot whose orders do not change all the time.
_LONG_UNSETTLED: Final = 10

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """What is needed of the exporter."""

    def observe(self, snapshot: Snapshot) -> object: ...


class Watcher:
    """Polls one bot.

    Args:
        poll_seconds: from one snapshot to the next.
        stale_after: how old the bot's prices may be: its loop, which refreshes them, went round no
            longer ago.
    """

    def __init__(
        self,
        api: BotApi,
        exporter: Observer,
        *,
        account: str,
        poll_seconds: float,
        stale_after: timedelta,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._exporter = exporter
        self._account = account
        self._poll_seconds = poll_seconds
        self._stale_after = stale_after
        self._now = now
        self._config: Config | None = None
        self._capital = StartingCapital()
        self._capital_known_until = float("-inf")
        self._unsettled = 0
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Poll until told to stop."""
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._poll_seconds, time.monotonic())
            self.look()

    def look(self) -> bool:
        """Take one snapshot; whether the exporter took it."""
        try:
            self._exporter.observe(self._snapshot())
        except NotSettledError as error:
            self._unsettled += 1
            if self._unsettled >= _LONG_UNSETTLED:  # fewer is what every start looks like
                self._troubled(str(error))
            return False
        except (BotError, ExporterError, ValidationError, OSError) as error:
            self._troubled(str(error))
            return False
        self._troubled("")
        return True

    def _snapshot(self) -> Snapshot:
        config = self._known_config()
        trades = self._api.trades()
        capital = self._known_capital(trades)
        # Equity comes from one answer alone: a trade that closes between two would count twice.
        profit = self._api.profit().profit_all_coin
        now = self._now()
        self._refuse_old_prices(trades, now)
        return snapshot_of(
            trades,
            account=self._account,
            currency=config.stake_currency,
            starting_capital=capital,
            profit=profit,
            taken_at=now,
            gating=gating_of(dry_run=config.dry_run),
        )

    def _refuse_old_prices(self, trades: tuple[Trade, ...], now: datetime) -> None:
        if not any(trade.quantity for trade in trades):
            return  # nothing depends on a price
        last = self._api.health().last_process
        if last is None or now - last > self._stale_after:
            since = "never" if last is None else f"{(now - last).total_seconds():.0f} s ago"
            raise NotPricedError(f"the bot's loop last went round {since}; its prices are old")

    def _known_config(self) -> Config:
        """Asked each time: somebody may have started the bot anew, with real money now."""
        before, self._config = self._config, self._api.config()
        config = self._config
        if before is None or before.dry_run != config.dry_run:
            money = "dry run" if config.dry_run else "LIVE"
            _log.info("watching %s of %s, %s", config.strategy, config.exchange, money)
            if config.position_adjustment_enable or config.force_entry_enable:
                _log.warning(
                    "locks keep out new trades alone: this bot may also add to trades that are "
                    "open, or be told to enter; guard its strategy too (docs/freqtrade.md)"
                )
        return config

    def _known_capital(self, trades: tuple[Trade, ...]) -> float:
        if time.monotonic() >= self._capital_known_until:
            self._capital.see(self._api.balance().starting_capital, trades)
            if self._capital.is_settled:
                self._capital_known_until = time.monotonic() + _CAPITAL_SECONDS
        if self._capital.known is None:
            raise NotSettledError("the bot's starting capital has to stand still for some looks")
        return self._capital.known

    def _troubled(self, trouble: str) -> None:
        """Say what is wrong once, and when it is over."""
        if trouble and trouble != self._trouble:
            _log.error("no snapshot: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("snapshots are taken again")
        self._trouble = trouble
