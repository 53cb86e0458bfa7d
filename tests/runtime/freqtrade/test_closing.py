"""Whatever a bot does on the way, closing ends flat and stopped, or goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_runtime.adapters.freqtrade.bot import BotOrder, BotState, Trade
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
)

START = datetime(2026, 3, 2, 15, tzinfo=UTC)


def trade(trade_id: int, *, filled: bool = True, entering: bool = False) -> Trade:
    order = BotOrder(order_id=f"e{trade_id}", ft_order_side="buy", status="open", is_open=True)
    return Trade(
        trade_id=trade_id,
        pair=f"C{trade_id}/USDT",
        base_currency=f"C{trade_id}",
        is_open=True,
        is_short=False,
        amount=1.0,
        open_rate=10.0,
        current_rate=9.0,
        open_timestamp=0,
        nr_of_successful_entries=int(filled),
        orders=(order,) if entering else (),
    )


@dataclass
class Venue:
    """freqtrade's rules as seen from outside: what it refuses, and what may happen meanwhile."""

    trades: dict[int, Trade]
    state: BotState = BotState.RUNNING
    rounds: int = 0
    #: What the round under way when it is paused still enters.
    late: Trade | None = None
    refuses: dict[int, int] = field(default_factory=dict)
    now: float = 0.0

    def view(self) -> BotView:
        return BotView(
            self.state, tuple(self.trades.values()), START + timedelta(seconds=self.rounds)
        )

    def go_round(self) -> None:
        if self.state is BotState.STOPPED:
            return
        self.rounds += 1
        if self.late is not None:
            self.trades[self.late.trade_id] = self.late
            self.late = None

    def perform(self, act: Act) -> None:
        match act:
            case Pause():
                self.state = BotState.PAUSED
            case Stop():
                assert not self.trades, "a stopped bot exits nothing"
                self.state = BotState.STOPPED
            case CancelEntries(trade_id) | ExitTrade(trade_id):
                assert self.state is not BotState.STOPPED
                if self.refuses.get(trade_id, 0):
                    self.refuses[trade_id] -= 1
                    return
                gone = self.trades.pop(trade_id)
                if isinstance(act, CancelEntries) and gone.quantity:
                    self.trades[trade_id] = gone.model_copy(update={"orders": ()})


def close(
    venue: Venue,
    interrupted: Callable[[int], bool] = lambda _: False,
    steps: int = 400,
    *,
    whole: bool = True,
) -> list[Act]:
    """Run the sequence; an interruption loses what the process knew."""
    progress, is_flat = Progress(whole=whole), False
    done: list[Act] = []
    for step in range(steps):
        if interrupted(step):
            progress = Progress(whole=whole)
        view = venue.view()
        progress.see(view)
        is_flat = is_flat and not view.trades
        act = next_act(view, progress, venue.now, is_flat_on_record=is_flat)
        if act is None:
            return done
        done.append(act)
        if isinstance(act, CancelEntries | ExitTrade):
            progress.not_before[act.trade_id] = venue.now + 10.0
        venue.perform(act)
        if isinstance(act, ConfirmFlat):
            assert not venue.trades
            assert venue.late is None, "a round was still under way"
            is_flat = True
        venue.now += 1.0
        if isinstance(act, Wait):
            venue.go_round()
    raise AssertionError(f"not done after {steps} steps: {done[-10:]}")


def kinds(acts: list[Act]) -> list[type]:
    return [type(act) for act in acts if not isinstance(act, Wait)]


def test_the_order_is_pause_cancel_exit_confirm_stop() -> None:
    venue = Venue({1: trade(1), 2: trade(2, filled=False, entering=True)})
    assert kinds(close(venue)) == [Pause, ExitTrade, CancelEntries, ConfirmFlat, Stop]
    assert venue.state is BotState.STOPPED


def test_what_a_round_under_way_enters_after_the_pause_is_closed_too() -> None:
    venue = Venue({}, late=trade(7))
    assert kinds(close(venue)) == [Pause, ExitTrade, ConfirmFlat, Stop]


def test_a_stopped_bot_that_holds_something_is_woken_to_exit_it() -> None:
    venue = Venue({1: trade(1)}, state=BotState.STOPPED)
    assert kinds(close(venue)) == [Pause, ExitTrade, ConfirmFlat, Stop]


def test_an_empty_stopped_bot_is_flat_as_it_is() -> None:
    assert kinds(close(Venue({}, state=BotState.STOPPED))) == [ConfirmFlat]


def test_a_loop_that_does_not_go_round_is_never_called_flat() -> None:
    venue = Venue({}, late=trade(7))
    venue.go_round = lambda: None  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="not done"):
        close(venue, steps=50)


def test_a_trade_that_is_refused_holds_up_none_of_the_others() -> None:
    venue = Venue({n: trade(n) for n in (1, 2, 3)}, refuses={1: 3})
    exits = [act.trade_id for act in close(venue) if isinstance(act, ExitTrade)]
    assert exits == [1, 2, 3, 1, 1, 1]


def test_a_part_is_closed_while_the_bot_goes_on_with_the_rest() -> None:
    venue = Venue({1: trade(1)}, late=trade(7))
    assert kinds(close(venue, whole=False)) == [ExitTrade, ExitTrade, ConfirmFlat]
    assert venue.state is BotState.RUNNING


def test_a_stopped_bot_is_woken_to_close_a_part_and_stays_paused() -> None:
    venue = Venue({1: trade(1)}, state=BotState.STOPPED)
    assert kinds(close(venue, whole=False)) == [Pause, ExitTrade, ConfirmFlat]
    assert venue.state is BotState.PAUSED


_TRADES = st.dictionaries(
    st.integers(1, 6),
    st.sampled_from([(True, False), (True, True), (False, True)]),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(
    trades=_TRADES,
    state=st.sampled_from([BotState.RUNNING, BotState.PAUSED, BotState.STOPPED]),
    refused=st.dictionaries(st.integers(1, 6), st.integers(1, 3)),
    late=st.booleans(),
    interrupted=st.frozensets(st.integers(0, 30)),
)
def test_wherever_it_is_interrupted_it_ends_flat_and_stopped(
    trades: dict[int, Any],
    state: BotState,
    refused: dict[int, int],
    late: bool,
    interrupted: frozenset[int],
) -> None:
    held = {n: trade(n, filled=f, entering=e) for n, (f, e) in trades.items()}
    # A round that is under way is one of a bot that runs.
    on_its_way = trade(9) if late and state is BotState.RUNNING else None
    venue = Venue(held, state=state, late=on_its_way, refuses=refused)
    close(venue, interrupted.__contains__)
    assert venue.trades == {}
    assert venue.state is BotState.STOPPED
