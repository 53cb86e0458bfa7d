"""Keeps the bot to what the gate says: locks while it is closed, closing when it is killed.

Invariants:

* what the gate says is acted on at once, and again all the time: a lock that somebody took away
  comes back, a bot that somebody started under a kill switch is paused and closed again;
* closing waits for nothing but the bot: not for the exporter, the receivers or the disk;
* a bot that does not answer, or refuses, is asked again until it does. What is not confirmed is not
  told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.bot import BotState
from risk_runtime.adapters.freqtrade.closing import (
    Act,
    BotView,
    CancelEntries,
    ConfirmFlat,
    ExitTrade,
    Pause,
    Progress,
    Stop,
    Wait,
    next_act,
    vanished,
)
from risk_runtime.adapters.freqtrade.errors import BotError, BotRefusedError
from risk_runtime.adapters.freqtrade.locks import (
    ALL_PAIRS,
    FAR_AHEAD,
    change_of,
    reason_text,
    wanted_locks,
)
from risk_runtime.adapters.freqtrade.state import ClosingState, ClosingStateError, ClosingStore
from risk_runtime.adapters.freqtrade.telling import Teller
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import GateReading, GateState
from risk_runtime.paper.ports import ReportSink

#: A market order that was not filled after so long is withdrawn and sent anew.
_PATIENCE_SECONDS: Final = 10.0
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
        self._reporter = reporter
        self._store = store
        self._teller = Teller(account)
        self._bot = Scope(account=account)
        self._is_known = False
        self._graceful_timeout = graceful_timeout
        self._is_guarded = is_guarded
        self._look_seconds = look_seconds
        self._now = now
        self._state = store.load()
        self._progress = Progress()
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
        pause = self._look_seconds
        try:
            self._know_bot()
            reading = self._gate.read()
            kill = reading.kill_over(self._bot)
            if kill is not None:
                # Closing first: locks only keep out what the pause keeps out already.
                act = self._obey(kill)
                if act is None:
                    self._keep_locks(reading)
                else:
                    pause = _LOOK_SECONDS if isinstance(act, Wait | ConfirmFlat) else 0.0
            else:
                if reading.state is GateState.OPEN:
                    self._forget_kill()
                self._keep_locks(reading)
        except BotError as error:
            self._troubled(str(error))
            return self._look_seconds
        self._troubled("")
        return pause

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
        """Take the next step that a kill asks for; None if there is nothing more to do."""
        if self._state.kill_id != kill.id:
            _log.warning("kill switch %s: %s, mode %s", kill.id, kill.cause, kill.mode)
            self._progress = Progress()
            self._store_state(ClosingState(kill_id=kill.id))
        if not self._closes_now(kill):
            if self._api.config().state is BotState.RUNNING:
                self._api.pause()
            return None
        view = self._view()
        self._progress.see(view)
        self._store_state(self._state.seeing(view.trades))
        self._tell_what_ended(view)
        act = next_act(
            view, self._progress, time.monotonic(), is_flat_on_record=self._state.is_flat
        )
        if act is not None:
            self._perform(act)
        return act

    def _closes_now(self, kill: Kill) -> bool:
        if kill.mode is KillMode.GRACEFUL:
            return self._now() >= kill.since + self._graceful_timeout
        return kill.mode is KillMode.IMMEDIATE

    def _view(self) -> BotView:
        # The loop's mark first: what is seen empty afterwards was empty once it had gone round.
        last_process = self._api.health().last_process
        return BotView(self._api.config().state, self._api.trades(), last_process)

    def _perform(self, act: Act) -> None:
        match act:
            case Pause():
                self._api.pause()
            case CancelEntries(trade_id):
                self._try(trade_id, self._api.cancel_orders)
            case ExitTrade(trade_id):
                self._try(trade_id, self._api.force_exit)
            case ConfirmFlat():
                number = self._state.flats + 1
                at = self._now()
                self._reporter.submit([self._teller.flat(self._state.kill_id, number, at)])
                self._store_state(self._state.flat())
                _log.warning("kill switch %s: flat, confirmed", self._state.kill_id)
            case Stop():
                self._api.stop()
            case Wait():
                pass

    def _try(self, trade_id: int, act: Callable[[int], None]) -> None:
        """Act on a trade. What the bot refuses is tried again after the others had their turn.

        freqtrade also answers with a refusal where it withdrew an order and the trade is gone with
        it: the next look decides.
        """
        self._progress.not_before[trade_id] = time.monotonic() + _PATIENCE_SECONDS
        try:
            act(trade_id)
        except BotRefusedError as error:
            self._progress.not_before[trade_id] = time.monotonic() + self._look_seconds
            _log.warning("trade %d: %s", trade_id, error)

    def _tell_what_ended(self, view: BotView) -> None:
        for trade_id in vanished(self._state.known, view):
            ended = self._api.trade(trade_id)
            if ended is not None and ended.is_open:
                continue
            known = self._state.known[trade_id]
            kill_id = self._state.kill_id
            self._reporter.submit(self._teller.ended(kill_id, trade_id, known, ended, self._now()))
            self._store_state(self._state.without(trade_id))

    def _forget_kill(self) -> None:
        if self._state.kill_id:
            _log.warning(
                "kill switch %s is over; the bot stays as it is until somebody starts it",
                self._state.kill_id,
            )
            self._store_state(ClosingState())

    def _store_state(self, state: ClosingState) -> None:
        if state == self._state:
            return
        self._state = state
        try:
            self._store.save(state)
        except ClosingStateError:
            # Closing must go on with a full disk, and be told as far as it can.
            _log.exception("the closing is not stored")

    def _troubled(self, trouble: str) -> None:
        """Say what is wrong once, and when it is over."""
        if trouble and trouble != self._trouble:
            _log.error("%s; trying again", trouble)
        elif self._trouble and not trouble:
            _log.warning("the bot does what it is asked again")
        self._trouble = trouble
