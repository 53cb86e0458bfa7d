"""The kill switch's order of closing a bot, as a pure decision over what it looks like now.

pause -> cancel entries -> force-exit trade by trade -> confirm flat by looking again -> stop ->
look again.

Stopping first would deny the exits: freqtrade refuses ``/forceexit`` once it is stopped. Trades are
exited one by one and not by ``/forceexit all``, which gives up at the first pair that the exchange
refuses. The next act follows from the bot alone, never from what was done before: the sequence may
be interrupted anywhere, by a crash too, and starting it again goes on from there.

A paused bot may still be in the middle of a round that it began while it was running, and enter in
it. So an empty bot counts as flat only once its loop has gone round since it was seen paused.

A kill of a part of the bot closes that part alone: its pairs are locked, not the bot paused, and
nothing is stopped. Only a stopped bot is woken, paused, since it could not exit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from risk_runtime.adapters.freqtrade.bot import BotState, Trade


@dataclass(frozen=True, slots=True)
class BotView:
    """What the bot looks like at one instant.

    Attributes:
        last_process: when its loop last went round; an opaque mark, its clock is never read.
    """

    state: BotState
    trades: tuple[Trade, ...]
    last_process: datetime | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Act: no more entries."""


@dataclass(frozen=True, slots=True)
class CancelEntries:
    """Act: withdraw the orders of a trade that would add to it."""

    trade_id: int


@dataclass(frozen=True, slots=True)
class ExitTrade:
    """Act: sell all of a trade at the market."""

    trade_id: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do but to look again: orders are working, or the loop has to go round."""


@dataclass(frozen=True, slots=True)
class ConfirmFlat:
    """What was seen twice is confirmed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Act: the bot does nothing any more."""


Act = Pause | CancelEntries | ExitTrade | Wait | ConfirmFlat | Stop


@dataclass(slots=True)
class Progress:
    """What this process has seen of a closing. Losing it costs time and nothing else.

    Attributes:
        not_before: by trade, the monotonic second before which it is not acted on again.
        seen_shut: whether it was seen unable to enter, and ``shut_at`` the loop's mark by then.
        whole: whether all of the bot is closed; else it goes on with the rest.
        empty_looks: how often in a row it was seen empty and settled.
    """

    whole: bool = True
    not_before: dict[int, float] = field(default_factory=dict)
    seen_shut: bool = False
    shut_at: datetime | None = None
    empty_looks: int = 0

    def see(self, view: BotView) -> None:
        """Take note of a look at the bot."""
        if self._may_enter(view):
            self.seen_shut = False
        elif not self.seen_shut:
            self.seen_shut, self.shut_at = True, view.last_process
        if view.trades or self._may_enter(view):
            self.empty_looks = 0
        elif self.is_settled(view):
            self.empty_looks += 1

    def is_settled(self, view: BotView) -> bool:
        """Whether nothing that began before the pause, or the lock, can still enter."""
        return view.state is BotState.STOPPED or view.last_process != self.shut_at

    def _may_enter(self, view: BotView) -> bool:
        # What a part of the bot is kept from entering is locked before it is looked at.
        return self.whole and view.state not in (BotState.PAUSED, BotState.STOPPED)


def next_act(
    view: BotView, progress: Progress, now: float, *, is_flat_on_record: bool
) -> Act | None:
    """The next act, or None once the bot is flat, stopped and seen flat again.

    Args:
        progress: after it has seen this view.
        now: monotonic seconds.
        is_flat_on_record: flat was reported and nothing was held since.
    """
    if view.state is BotState.RELOADING:
        return Wait()
    is_running = progress.whole and view.state is BotState.RUNNING
    if is_running or (view.state is BotState.STOPPED and view.trades):
        return Pause()
    for trade in view.trades:
        if now < progress.not_before.get(trade.trade_id, 0.0):
            continue
        return CancelEntries(trade.trade_id) if trade.entering else ExitTrade(trade.trade_id)
    if view.trades or progress.empty_looks < 2:
        return Wait()
    if not is_flat_on_record:
        return ConfirmFlat()
    return Stop() if progress.whole and view.state is BotState.PAUSED else None


def vanished(known: Mapping[int, object], view: BotView) -> tuple[int, ...]:
    """Trades that were known and are open no more, in order."""
    open_now = {trade.trade_id for trade in view.trades}
    return tuple(sorted(known.keys() - open_now))
