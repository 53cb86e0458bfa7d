"""Carries the closing out on the bot, one act at a time, for every kill that asks for it.

Invariants: a trade stands in the store before anything is done to it; nothing is told that the bot
did not confirm; what the bot refuses is tried again after everything else had its turn. A disk that
is full, and receivers that are dead, hold nothing up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from risk_policy.contracts.restriction import Kill
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.bot import Trade
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
from risk_runtime.adapters.freqtrade.errors import BotRefusedError
from risk_runtime.adapters.freqtrade.state import ClosingState, ClosingStateError, ClosingStore
from risk_runtime.adapters.freqtrade.telling import Teller
from risk_runtime.reporting.ports import ReportSink

#: A market order that was not filled after so long is withdrawn and sent anew.
_PATIENCE_SECONDS: Final = 10.0
#: What the bot refused is asked for again after so long.
_AGAIN_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Closer:
    """Closes one bot, or the part of it that a kill covers."""

    def __init__(
        self,
        api: BotApi,
        reporter: ReportSink,
        store: ClosingStore,
        *,
        account: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._reporter = reporter
        self._store = store
        self._teller = Teller(account)
        self._now = now
        self._closings = store.load()
        self._progress: dict[str, Progress] = {}

    def step(self, kill: Kill, covers: Callable[[Trade], bool], *, whole: bool) -> Act | None:
        """Look, tell what ended, and take the next act; None if there is nothing more to do.

        Args:
            covers: which trades the kill closes.
            whole: whether those are all that the bot could ever have.
        """
        if kill.id not in self._closings:
            _log.warning("kill switch %s: %s", kill.id, kill)
            self._keep(ClosingState(kill_id=kill.id))
        progress = self._progress.setdefault(kill.id, Progress(whole=whole))
        view = self._view(covers)
        progress.see(view)
        self._keep(self._closings[kill.id].seeing(view.trades))
        self._tell_what_ended(kill.id, view)
        is_flat = self._closings[kill.id].is_flat
        act = next_act(view, progress, time.monotonic(), is_flat_on_record=is_flat)
        if act is not None:
            self._perform(act, kill.id, progress)
        return act

    def forget_all_but(self, kills: Iterable[Kill]) -> None:
        """Drop what is remembered of kills that are over."""
        current = {kill.id for kill in kills}
        for kill_id in self._closings.keys() - current:
            _log.warning("kill switch %s is over; the bot stays as it is", kill_id)
            del self._closings[kill_id]
            self._progress.pop(kill_id, None)
            self._save()

    def _view(self, covers: Callable[[Trade], bool]) -> BotView:
        # The loop's mark first: what is seen empty afterwards was empty once it had gone round.
        last_process = self._api.health().last_process
        state = self._api.config().state
        return BotView(state, tuple(filter(covers, self._api.trades())), last_process)

    def _perform(self, act: Act, kill_id: str, progress: Progress) -> None:
        match act:
            case Pause():
                self._api.pause()
            case CancelEntries(trade_id):
                self._try(trade_id, self._api.cancel_orders, progress)
            case ExitTrade(trade_id):
                self._try(trade_id, self._api.force_exit, progress)
            case ConfirmFlat():
                state = self._closings[kill_id]
                self._reporter.submit([self._teller.flat(kill_id, state.flats + 1, self._now())])
                self._keep(state.flat())
                _log.warning("kill switch %s: flat, confirmed", kill_id)
            case Stop():
                self._api.stop()
            case Wait():
                pass

    def _try(self, trade_id: int, act: Callable[[int], None], progress: Progress) -> None:
        """Act on a trade. What the bot refuses is tried again after the others had their turn.

        freqtrade also answers with a refusal where it withdrew an order and the trade is gone with
        it: the next look decides.
        """
        progress.not_before[trade_id] = time.monotonic() + _PATIENCE_SECONDS
        try:
            act(trade_id)
        except BotRefusedError as error:
            progress.not_before[trade_id] = time.monotonic() + _AGAIN_SECONDS
            _log.warning("trade %d: %s", trade_id, error)

    def _tell_what_ended(self, kill_id: str, view: BotView) -> None:
        for trade_id in vanished(self._closings[kill_id].known, view):
            ended = self._api.trade(trade_id)
            if ended is not None and ended.is_open:
                continue
            state = self._closings[kill_id]
            known = state.known[trade_id]
            self._reporter.submit(self._teller.ended(kill_id, trade_id, known, ended, self._now()))
            self._keep(state.without(trade_id))

    def _keep(self, state: ClosingState) -> None:
        if self._closings.get(state.kill_id) != state:
            self._closings[state.kill_id] = state
            self._save()

    def _save(self) -> None:
        try:
            self._store.save(self._closings)
        except ClosingStateError:
            # Closing must go on with a full disk, and be told as far as it can.
            _log.exception("the closing is not stored")
