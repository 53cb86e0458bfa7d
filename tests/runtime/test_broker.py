"""The paper broker keeps its books exactly and never flips on a reduce-only order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from risk_runtime.errors import OrderRefusedError
from risk_runtime.order import Side
from risk_runtime.paper.broker import (
    BrokerState,
    Fill,
    OrderCancelled,
    PaperBroker,
    TradingMode,
)
from risk_runtime.prices import Bar

D = Decimal

START = D(100_000)


def bar(low: str, high: str, open_: str = "", symbol: str = "A") -> Bar:
    return Bar(symbol, D(open_ or high), D(high), D(low), D(low), 0)


def broker_at(price: str = "10") -> PaperBroker:
    broker = PaperBroker(BrokerState(cash=START))
    broker.set_mark("A", D(price))
    return broker


def test_a_purchase_moves_cash_into_a_position_at_its_average_price() -> None:
    broker = broker_at("10")
    broker.market("A", Side.BUY, D(100))
    broker.set_mark("A", D(20))
    broker.market("A", Side.BUY, D(100))
    assert broker.cash == START - 3000
    assert broker.holdings["A"].average_price == 15
    assert broker.equity == START + 1000


def test_a_sale_realises_profit_at_the_average_and_a_close_leaves_nothing() -> None:
    broker = broker_at("10")
    broker.market("A", Side.BUY, D(3))
    broker.set_mark("A", D(12))
    broker.market("A", Side.SELL, D(1))
    assert broker.realised == 2
    broker.market("A", Side.SELL, D(2))
    assert broker.realised == 6
    assert not broker.holdings
    assert broker.cash == broker.equity == START + 6


def test_an_order_beyond_the_position_flips_it_at_the_price_of_the_day() -> None:
    broker = broker_at("10")
    broker.market("A", Side.BUY, D(5))
    broker.set_mark("A", D(8))
    broker.market("A", Side.SELL, D(7))
    assert broker.quantity("A") == -2
    assert broker.holdings["A"].average_price == 8
    assert broker.realised == -10


def test_losing_trades_are_counted_until_one_gains() -> None:
    broker, counts = broker_at("10"), []
    for side, quantity, price in (
        (Side.BUY, 10, "10"),
        (Side.SELL, 1, "9"),  # part of the position, at a loss
        (Side.SELL, 2, "8"),
        (Side.BUY, 5, "7"),  # opens, closes nothing
        (Side.SELL, 12, "4"),
        (Side.SELL, 5, "5"),  # short from here on
        (Side.BUY, 1, "5"),  # neither gains nor loses
        (Side.BUY, 1, "6"),
        (Side.BUY, 1, "4"),
        (Side.BUY, 7, "6"),  # closes two at a loss, opens five
    ):
        broker.set_mark("A", D(price))
        broker.market("A", side, D(quantity))
        counts.append(broker.losses_in_row)
    assert counts == [0, 1, 2, 2, 3, 3, 3, 4, 0, 1]
    assert PaperBroker(broker.state()).losses_in_row == 1


def test_a_resting_purchase_fills_when_the_low_reaches_it_at_its_limit() -> None:
    broker = broker_at("10")
    order = broker.place_limit("A", Side.BUY, D(5), D(9))
    assert broker.due(bar(low="9.01", high="10")) == ()
    reached = bar(low="9", high="10")
    assert broker.due(reached) == (order,)
    fill = broker.execute(order.order_id, reached)
    assert fill is not None
    assert (fill.price, fill.quantity) == (9, 5)
    assert broker.working == ()


def test_a_market_that_opens_beyond_the_limit_fills_at_the_open() -> None:
    broker = broker_at("10")
    purchase = broker.place_limit("A", Side.BUY, D(5), D(9))
    fill = broker.execute(purchase.order_id, bar(low="7", high="8.5", open_="8"))
    assert fill is not None
    assert fill.price == 8
    sale = broker.place_limit("A", Side.SELL, D(5), D(9))
    fill = broker.execute(sale.order_id, bar(low="9.5", high="12", open_="11"))
    assert fill is not None
    assert fill.price == 11


def test_a_resting_order_of_another_symbol_is_not_due() -> None:
    broker = broker_at()
    broker.place_limit("A", Side.BUY, D(5), D(9))
    assert broker.due(bar(low="1", high="2", symbol="B")) == ()


def test_a_reduce_only_order_is_cut_down_to_what_is_held() -> None:
    broker = broker_at()
    broker.market("A", Side.BUY, D(5))
    fill = broker.market("A", Side.SELL, D(9), reduce_only=True)
    assert fill.quantity == 5
    assert broker.quantity("A") == 0


@pytest.mark.parametrize("side", list(Side))
def test_a_reduce_only_order_from_flat_is_refused(side: Side) -> None:
    with pytest.raises(OrderRefusedError, match="nothing on that side"):
        broker_at().market("A", side, D(1), reduce_only=True)


def test_a_resting_reduce_only_order_whose_position_is_gone_is_cancelled_not_filled() -> None:
    broker = broker_at()
    broker.market("A", Side.BUY, D(5))
    order = broker.place_limit("A", Side.SELL, D(5), D(11), reduce_only=True)
    broker.market("A", Side.SELL, D(5))
    assert broker.execute(order.order_id, bar(low="11", high="12")) is None
    assert broker.quantity("A") == 0
    assert broker.log[-1] == OrderCancelled(order.order_id)


def test_reducing_takes_reduce_only_orders_alone_and_halted_none() -> None:
    broker = broker_at()
    broker.market("A", Side.BUY, D(5))
    broker.set_mode(TradingMode.REDUCING)
    with pytest.raises(OrderRefusedError, match="only reduce-only"):
        broker.market("A", Side.BUY, D(1))
    with pytest.raises(OrderRefusedError, match="only reduce-only"):
        broker.place_limit("A", Side.BUY, D(1), D(5))
    broker.market("A", Side.SELL, D(2), reduce_only=True)
    broker.set_mode(TradingMode.HALTED)
    with pytest.raises(OrderRefusedError, match="halted"):
        broker.market("A", Side.SELL, D(3), reduce_only=True)
    assert broker.quantity("A") == 3


@pytest.mark.parametrize("mode", [TradingMode.REDUCING, TradingMode.HALTED])
def test_an_order_that_rested_before_does_not_add_risk_once_the_mode_changed(
    mode: TradingMode,
) -> None:
    broker = broker_at()
    order = broker.place_limit("A", Side.BUY, D(5), D(9))
    broker.set_mode(mode)
    assert broker.execute(order.order_id, bar(low="8", high="9")) is None
    assert broker.quantity("A") == 0


def test_cancelling_works_in_every_mode_and_says_whether_there_was_anything() -> None:
    broker = broker_at()
    order = broker.place_limit("A", Side.BUY, D(5), D(9))
    broker.set_mode(TradingMode.HALTED)
    assert broker.cancel(order.order_id)
    assert not broker.cancel(order.order_id)


@pytest.mark.parametrize("quantity", [D(0), D(-1), D("NaN"), D("Infinity")])
def test_a_quantity_that_is_no_amount_is_refused(quantity: D) -> None:
    with pytest.raises(OrderRefusedError, match="must be positive"):
        broker_at().market("A", Side.BUY, quantity)


def test_a_symbol_without_a_price_is_refused() -> None:
    with pytest.raises(OrderRefusedError, match="no price yet"):
        broker_at().market("B", Side.BUY, D(1))


quantities = st.integers(1, 50).map(D)
prices = st.integers(1, 2000).map(lambda cents: D(cents) / 100)
acts = st.one_of(
    st.tuples(st.just("mark"), st.sampled_from("AB"), prices),
    st.tuples(
        st.just("market"),
        st.sampled_from("AB"),
        st.sampled_from(list(Side)),
        quantities,
        st.booleans(),
    ),
    st.tuples(
        st.just("limit"),
        st.sampled_from("AB"),
        st.sampled_from(list(Side)),
        quantities,
        prices,
        st.booleans(),
    ),
    st.tuples(st.just("bar"), st.sampled_from("AB"), prices, prices),
    st.tuples(st.just("mode"), st.sampled_from(list(TradingMode))),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("restart")),
)


@given(st.lists(acts, max_size=40))
def test_any_sequence_keeps_the_books_and_no_reduce_only_order_flips(
    sequence: list[tuple[object, ...]],
) -> None:
    broker = PaperBroker(BrokerState(cash=START))
    for symbol in "AB":
        broker.set_mark(symbol, D(10))
    for act in sequence:
        before = {symbol: broker.quantity(symbol) for symbol in "AB"}
        marks = {symbol: broker.mark(symbol) for symbol in "AB"}
        equity, fills, reducing = broker.equity, len(_fills(broker)), True
        match act:
            case ("mark", str(symbol), D() as price):
                broker.set_mark(symbol, price)
                equity += before[symbol] * (price - marks[symbol])
            case ("market", str(symbol), Side() as side, D() as quantity, bool(reduce_only)):
                reducing = reduce_only or broker.mode is not TradingMode.ACTIVE
                try:
                    broker.market(symbol, side, quantity, reduce_only=reduce_only)
                except OrderRefusedError:
                    assert len(_fills(broker)) == fills
            case ("limit", str(symbol), Side() as side, D() as quantity, D() as price, bool(only)):
                try:
                    broker.place_limit(symbol, side, quantity, price, reduce_only=only)
                except OrderRefusedError:
                    assert broker.mode is not TradingMode.ACTIVE
            case ("bar", str(symbol), D() as one, D() as other):
                low, high = min(one, other), max(one, other)
                day = Bar(symbol, low, high, low, high, 0)
                for order in broker.due(day):
                    held = broker.quantity(symbol)
                    reducing = order.reduce_only or broker.mode is not TradingMode.ACTIVE
                    fill = broker.execute(order.order_id, day)
                    if fill is not None:
                        equity += (
                            fill.side.sign * fill.quantity * (broker.mark(symbol) - fill.price)
                        )
                    _assert_not_flipped(held, broker.quantity(symbol), reducing)
                before[symbol] = broker.quantity(symbol)
            case ("mode", TradingMode() as mode):
                broker.set_mode(mode)
            case ("cancel",):
                for order in broker.working:
                    broker.cancel(order.order_id)
            case _:
                adapter = TypeAdapter(BrokerState)
                broker = PaperBroker(adapter.validate_json(adapter.dump_json(broker.state())))
        for symbol in "AB":
            _assert_not_flipped(before[symbol], broker.quantity(symbol), reducing)
        assert broker.equity == equity, "a fill at the mark changes nothing but its form"
        cost = sum((holding.cost for holding in broker.holdings.values()), start=D(0))
        assert abs(broker.cash + cost - START - broker.realised) < D("1e-15")
        assert all(holding.average_price > 0 for holding in broker.holdings.values())


def _fills(broker: PaperBroker) -> list[Fill]:
    return [event for event in broker.log if isinstance(event, Fill)]


def _assert_not_flipped(before: D, after: D, reducing: bool) -> None:
    if reducing:
        assert before * after >= 0
        assert abs(after) <= abs(before)
