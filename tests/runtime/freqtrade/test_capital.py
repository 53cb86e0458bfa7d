"""A capital that is a stake too high for a moment never becomes a peak."""

from __future__ import annotations

import pytest

from risk_runtime.adapters.freqtrade.bot import BotOrder, Trade
from risk_runtime.adapters.freqtrade.capital import StartingCapital


def trade(trade_id: int, *orders: BotOrder) -> Trade:
    return Trade(
        trade_id=trade_id,
        pair="BTC/USDT",
        base_currency="BTC",
        is_open=True,
        is_short=False,
        amount=1.0,
        open_rate=10.0,
        open_timestamp=0,
        nr_of_successful_entries=1,
        orders=orders,
    )


def settled(value: float, *trades: Trade) -> StartingCapital:
    capital = StartingCapital()
    for _ in range(3):
        capital.see(value, trades)
    assert capital.known == value
    return capital


def test_a_figure_counts_once_three_looks_agree() -> None:
    capital = StartingCapital()
    assert [capital.see(1000.0, ()) for _ in range(3)] == [None, None, 1000.0]
    assert capital.is_settled


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_a_stake_that_is_counted_twice_for_a_moment_changes_nothing(looks: int) -> None:
    capital = settled(1000.0)
    entered = trade(1)
    readings = [capital.see(1200.0, (entered,)) for _ in range(min(looks, 2))]
    readings += [capital.see(1000.0, (entered,)) for _ in range(looks)]
    assert set(readings) == {1000.0}


def working(order_id: str) -> Trade:
    return trade(1, BotOrder(order_id=order_id, ft_order_side="buy", is_open=True))


def test_nothing_is_believed_while_orders_come_and_go() -> None:
    capital = settled(1000.0)
    assert {capital.see(1200.0, (working(f"o{n}"),)) for n in range(9)} == {1000.0}


def test_an_order_that_waits_for_days_keeps_nobody_from_knowing() -> None:
    settled(1000.0, working("o"))


def test_what_is_paid_in_counts_after_a_while() -> None:
    capital = settled(1000.0, trade(1))
    assert [capital.see(1500.0, (trade(1),)) for _ in range(3)] == [1000.0, 1000.0, 1500.0]


def test_fees_that_move_it_a_little_do_not_hold_it_up() -> None:
    capital = StartingCapital()
    for reading in (1000.0, 999.9, 999.8):
        capital.see(reading, ())
    assert capital.known == 999.8
