"""Closing: its order, interrupted anywhere, ends flat and never flips."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_runtime.errors import NotFlatError
from risk_runtime.order import Side
from risk_runtime.paper.broker import (
    BrokerState,
    Fill,
    ModeChanged,
    OrderCancelled,
    PaperBroker,
    TradingMode,
)
from risk_runtime.paper.closing import (
    AccountView,
    Act,
    BrokerAccount,
    CancelOrders,
    ClosePosition,
    ConfirmFlat,
    SetMode,
    close_all,
    next_act,
)

D = Decimal

STEPS = 8  # reduce-only, cancel, three closes, confirm, halt, cancel again


def book() -> PaperBroker:
    """A long, a short and a fractional position, two working orders."""
    broker = PaperBroker(BrokerState(cash=D(100_000)))
    for symbol, side, quantity in (
        ("A", Side.BUY, D(100)),
        ("B", Side.SELL, D(30)),
        ("C", Side.BUY, D("0.125")),
    ):
        broker.set_mark(symbol, D(10))
        broker.market(symbol, side, quantity)
    broker.place_limit("A", Side.BUY, D(10), D(9))
    broker.place_limit("B", Side.BUY, D(40), D(8))
    broker.log.clear()
    return broker


def assert_flat_and_never_flipped(broker: PaperBroker, before: dict[str, D]) -> None:
    assert not broker.holdings
    assert not broker.working
    assert broker.mode is TradingMode.HALTED
    held = dict(before)
    for event in broker.log:
        if isinstance(event, Fill):
            after = held[event.symbol] + event.side.sign * event.quantity
            assert after * held[event.symbol] >= 0, "flipped"
            held[event.symbol] = after
    assert not any(held.values())


def positions(broker: PaperBroker) -> dict[str, D]:
    return {symbol: holding.quantity for symbol, holding in broker.holdings.items()}


def test_the_order_is_reduce_only_cancel_close_confirm_halt_cancel_again() -> None:
    broker = book()
    working = [order.order_id for order in broker.working]
    acts = [done.act for done in close_all(BrokerAccount(broker))]
    assert broker.log == [
        ModeChanged(TradingMode.REDUCING),
        *(OrderCancelled(order_id) for order_id in working),
        Fill("paper-000006", "A", Side.SELL, D(100), D(10)),
        Fill("paper-000007", "B", Side.BUY, D(30), D(10)),
        Fill("paper-000008", "C", Side.SELL, D("0.125"), D(10)),
        ModeChanged(TradingMode.HALTED),
    ]
    assert len(acts) == STEPS
    assert acts[-3:] == [ConfirmFlat(), SetMode(TradingMode.HALTED), CancelOrders((), final=True)]


@pytest.mark.parametrize("first", range(STEPS + 1))
@pytest.mark.parametrize("second", range(0, STEPS + 1, 3))
def test_interrupted_twice_anywhere_and_started_again_it_ends_flat(first: int, second: int) -> None:
    broker = book()
    before = positions(broker)
    log = []
    for steps in (first, second):
        for _, _ in zip(range(steps), close_all(BrokerAccount(broker)), strict=False):
            pass
        log += broker.log
        broker = PaperBroker(broker.state())  # as after a crash
    list(close_all(BrokerAccount(broker)))
    broker.log[:0] = log
    assert_flat_and_never_flipped(broker, before)


@given(
    at=st.integers(0, STEPS), side=st.sampled_from(list(Side)), quantity=st.integers(1, 300).map(D)
)
def test_an_order_that_survives_the_cancel_is_dealt_with(at: int, side: Side, quantity: D) -> None:
    broker = book()
    before = positions(broker)
    for step, _ in enumerate(close_all(BrokerAccount(broker))):
        if step == at and broker.mode is TradingMode.REDUCING:
            broker.place_limit("A", side, quantity, D(9), reduce_only=True)
    assert_flat_and_never_flipped(broker, before)


@given(quantity=st.integers(-500, 500).filter(bool).map(D), at=st.integers(0, STEPS - 1))
def test_a_position_that_appears_meanwhile_is_closed_even_after_the_halt(
    quantity: D, at: int
) -> None:
    broker = book()
    appeared = False
    acts = []
    for step, done in enumerate(close_all(BrokerAccount(broker))):
        acts.append(done.act)
        if step == at and not appeared:
            appeared = True
            mode = broker.mode
            broker.set_mode(TradingMode.ACTIVE)
            broker.set_mark("D", D(5))
            broker.market("D", Side.BUY if quantity > 0 else Side.SELL, abs(quantity))
            broker.set_mode(mode)
    assert appeared
    assert acts[-2:] == [SetMode(TradingMode.HALTED), CancelOrders((), final=True)]
    assert not broker.holdings
    assert broker.mode is TradingMode.HALTED


def test_a_flat_account_is_confirmed_and_halted_without_any_order() -> None:
    broker = PaperBroker(BrokerState(cash=D(1)))
    list(close_all(BrokerAccount(broker)))
    assert broker.log == [ModeChanged(TradingMode.REDUCING), ModeChanged(TradingMode.HALTED)]


def test_an_account_that_does_not_become_flat_is_an_error_not_a_confirmation() -> None:
    class Stuck:
        acts: ClassVar[list[Act]] = []

        def view(self) -> AccountView:
            return AccountView(TradingMode.REDUCING, (), {"A": D(1)})

        def perform(self, act: Act) -> Fill | None:
            self.acts.append(act)
            return None

    with pytest.raises(NotFlatError, match="1 positions"):
        list(close_all(Stuck()))
    assert ConfirmFlat() not in Stuck.acts


def test_flat_is_confirmed_only_if_the_second_look_agrees() -> None:
    class Flickering:
        """Looks flat when asked for the act, and not any more when looked at again."""

        def __init__(self) -> None:
            self.looks = 0
            self.mode = TradingMode.REDUCING

        def view(self) -> AccountView:
            self.looks += 1
            late = {"A": D(1)} if self.looks == 2 else {}
            return AccountView(self.mode, (), late)

        def perform(self, act: Act) -> Fill | None:
            if isinstance(act, SetMode):
                self.mode = act.mode
            return None

    account = Flickering()
    acts = [done.act for done in close_all(account)]
    assert acts.count(ConfirmFlat()) == 1
    assert account.looks > 4


@given(
    mode=st.sampled_from(list(TradingMode)),
    working=st.lists(st.text(min_size=1), max_size=2).map(tuple),
    held=st.dictionaries(st.sampled_from("AB"), st.integers(-3, 3).filter(bool).map(D)),
    confirmed=st.booleans(),
    again=st.booleans(),
)
def test_nothing_is_halted_while_something_is_held_and_nothing_ends_before_the_halt(
    mode: TradingMode, working: tuple[str, ...], held: dict[str, D], confirmed: bool, again: bool
) -> None:
    view = AccountView(mode, working, held)
    act = next_act(view, confirmed=confirmed, cancelled_again=again)
    if held or working:
        assert act not in (None, SetMode(TradingMode.HALTED), ConfirmFlat())
    if mode is not TradingMode.HALTED or not confirmed or not again:
        assert act is not None


@given(
    held=st.sets(st.sampled_from("ABCDEF"), min_size=1),
    refusing=st.sets(st.sampled_from("ABCDEF")),
    stuck=st.sets(st.sampled_from("xyz")),
)
def test_what_refuses_keeps_nothing_else_open(
    held: set[str], refusing: set[str], stuck: set[str]
) -> None:
    class Venue:
        """Closes and cancels everything but what refuses."""

        def __init__(self) -> None:
            self.held = dict.fromkeys(sorted(held), D(1))
            self.mode = TradingMode.ACTIVE
            self.asked: list[str] = []

        def view(self) -> AccountView:
            return AccountView(self.mode, tuple(sorted(stuck)), dict(self.held))

        def perform(self, act: Act) -> Fill | None:
            if isinstance(act, SetMode):
                self.mode = act.mode
            if isinstance(act, ClosePosition):
                self.asked.append(act.symbol)
                if act.symbol not in refusing:
                    del self.held[act.symbol]
            return None

    venue = Venue()
    left = held & refusing
    if left or stuck:
        with pytest.raises(NotFlatError):
            list(close_all(venue))
    else:
        list(close_all(venue))
    assert venue.held.keys() == left
    turns = [venue.asked.count(symbol) for symbol in left]
    assert max(turns, default=0) - min(turns, default=0) <= 1, "everything has its turn"
