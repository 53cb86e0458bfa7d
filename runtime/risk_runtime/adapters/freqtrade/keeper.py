"""Keeps the bot to what the gate says: locks while it is closed, closing when it is killed.

Invariants:

* what the gate says is acted on at once, and again all the time: a lock that somebody took away
  comes back, a bot that somebody started under a kill switch is paused and closed again;
* closing waits for nobody but the bot: neither for the exporter nor for the receivers, and a full
  disk does not stop it;
* a bot that does not answer, or refuses, is asked again until it does. What is not confirmed is not
  told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.bot import BotState, Trade
from risk_runtime.adapters.freqtrade.closer import Closer
from risk_runtime.adapters.freqtrade.closing import Act, ConfirmFlat, Wait
from risk_runtime.adapters.freqtrade.errors import BotError
from risk_runtime.adapters.freqtrade.locks import (
    ALL_PAIRS,
    FAR_AHEAD,
    change_of,
    reason_text,
    subject_of,
    wanted_locks,
)
from risk_runtime.adapters.freqtrade.state import ClosingStore
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import GateReading, GateState
from risk_runtime.reporting.ports import ReportSink

#: Between two looks at a bot that is being closed; its loop takes seconds to go round.
_LOOK_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


class Keeper:
    """Watches one gate for one bot."""

    def __init__(
        self,
        api: BotApi,
        gate: TradeGate,
        reporter: ReportSink,
        store: ClosingStore,
        *,
        account: str,
        graceful_timeout: timedelta,
        is_guarded: bool = False,
        look_seconds: float = 1.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._gate = gate
        self._closer = Closer(api, reporter, store, account=account, now=now)
        self._bot = Scope(account=account)
        self._is_known = False
        self._graceful_timeout = graceful_timeout
        self._is_guarded = is_guarded
        self._look_seconds = look_seconds
        self._now = now
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Keep the bot until told to leave, and lock it before leaving."""
        while not stop.is_set():
            pause = self._once()
            self._gate.wait_change(pause)
        try:
            self._lock({ALL_PAIRS: "the sidecar was stopped"})
        except BotError as error:
            _log.error("the sidecar leaves and the bot could not be locked: %s", error)

    def _once(self) -> float:
        """Do what the gate asks for now; how long nothing else is to be done."""
        try:
            self._know_bot()
            reading = self._gate.read()
            kill = reading.kill_over(self._bot)
            acts = [None if kill is None else self._obey(kill)]
            if acts == [None]:
                # Closing first: locks only keep out what the pause keeps out already.
                self._keep_locks(reading)
                acts = self._obey_in_part(reading, kill)
            if reading.state is GateState.OPEN or reading.restrictions:
                self._closer.forget_all_but(reading.kills)
        except BotError as error:
            self._troubled(str(error))
            return self._look_seconds
        self._troubled("")
        return min((_pause_after(act) for act in acts if act), default=self._look_seconds)

    def _know_bot(self) -> None:
        """Learn what the bot trades with and where, once: restrictions may name it."""
        if not self._is_known:
            config = self._api.config()
            known = {"strategy": config.strategy or "", "venue": config.exchange}
            self._bot = self._bot.model_copy(update=known)
            self._is_known = True

    # -- the gate --------------------------------------------------------------------------------

    def _keep_locks(self, reading: GateReading) -> None:
        pairs: set[str] = set()
        if reading.state is GateState.OPEN and reading.restrictions:
            pairs = {*self._api.whitelist(), *(trade.pair for trade in self._api.trades())}
        self._lock(wanted_locks(reading, self._bot, pairs, is_guarded=self._is_guarded))

    def _lock(self, wanted: Mapping[str, str]) -> None:
        change = change_of(self._api.locks(), wanted)
        if change.add:
            self._api.add_locks({pair: reason_text(wanted[pair]) for pair in change.add}, FAR_AHEAD)
            for pair in change.add:
                _log.warning("no entries of %s: %s", pair, wanted[pair])
        for lock_id in change.delete:
            self._api.delete_lock(lock_id)
            _log.info("lock %d is taken away", lock_id)

    # -- the kill switch -------------------------------------------------------------------------

    def _obey(self, kill: Kill) -> Act | None:
        """Take the next step that a kill of the whole bot asks for; None if there is none."""
        if self._closes_now(kill):
            return self._closer.step(kill, lambda _: True, whole=True)
        if self._api.config().state is BotState.RUNNING:
            self._api.pause()
        return None

    def _obey_in_part(self, reading: GateReading, but: Kill | None) -> list[Act | None]:
        """The same for all other kills that cover something of the bot."""
        parts = (one for one in reading.kills if one is not but and one.scope.may_cover(self._bot))
        return [
            self._closer.step(part, self._covered_by(part), whole=False)
            for part in parts
            if self._closes_now(part)
        ]

    def _covered_by(self, kill: Kill) -> Callable[[Trade], bool]:
        return lambda trade: kill.scope.includes(subject_of(self._bot, trade.pair))

    def _closes_now(self, kill: Kill) -> bool:
        if kill.mode is KillMode.GRACEFUL:
            return self._now() >= kill.since + self._graceful_timeout
        return kill.mode is KillMode.IMMEDIATE

    def _troubled(self, trouble: str) -> None:
        """Say what is wrong once, and when it is over."""
        if trouble and trouble != self._trouble:
            _log.error("%s; trying again", trouble)
        elif self._trouble and not trouble:
            _log.warning("the bot does what it is asked again")
        self._trouble = trouble


def _pause_after(act: Act) -> float:
    return _LOOK_SECONDS if isinstance(act, Wait | ConfirmFlat) else 0.0
