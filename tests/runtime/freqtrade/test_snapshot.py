"""What the bot tells becomes a snapshot, or none: no figure is made up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.adapters.freqtrade.bot import BotOrder, Trade
from risk_runtime.adapters.freqtrade.errors import NotPricedError
from risk_runtime.adapters.freqtrade.snapshot import snapshot_of
from risk_runtime.adapters.freqtrade.state import ClosingState, KnownTrade
from risk_runtime.adapters.freqtrade.telling import Teller, decimal_text

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def trade(**changes: Any) -> Trade:
    told = {
        "trade_id": 1,
        "pair": "BTC/USDT",
        "base_currency": "BTC",
        "is_open": True,
        "is_short": False,
        "amount": 0.5,
        "open_rate": 75_000.0,
        "current_rate": 80_000.0,
        "stop_loss_abs": 70_000.0,
        "open_timestamp": int(NOW.timestamp() * 1000) - 600_000,
        "timeframe": 5,
        "nr_of_successful_entries": 1,
        "a_field_of_next_year": {},
    }
    return Trade.model_validate({**told, **changes})


def taken(*trades: Trade, profit: float | None = 2_000.0) -> Snapshot:
    return snapshot_of(
        trades,
        account="main",
        currency="USDT",
        starting_capital=100_000.0,
        profit=profit,
        taken_at=NOW,
    )


def test_equity_is_capital_and_profit_and_cash_what_is_not_in_positions() -> None:
    snapshot = taken(trade())
    assert (snapshot.equity, snapshot.cash, snapshot.currency) == (102_000.0, 62_000.0, "USDT")
    (position,) = snapshot.positions
    assert (position.symbol, position.asset, position.quantity) == ("BTC-USDT", "BTC", 0.5)
    assert (position.stop, position.held_periods) == (70_000.0, 2.0)


def test_a_short_trade_is_held_negatively() -> None:
    snapshot = taken(trade(is_short=True, pair="BTC/USDT:USDT"))
    assert snapshot.positions[0].quantity == -0.5
    assert snapshot.positions[0].symbol == "BTC-USDT:USDT"
    assert snapshot.cash == 142_000.0


def test_what_was_ordered_and_not_filled_is_not_held() -> None:
    assert taken(trade(nr_of_successful_entries=0)).positions == ()


@pytest.mark.parametrize("rate", [None, 0.0])
def test_without_a_price_there_is_no_snapshot(rate: float | None) -> None:
    with pytest.raises(NotPricedError, match="BTC/USDT"):
        taken(trade(current_rate=rate))
    with pytest.raises(NotPricedError, match="open profit"):
        taken(profit=None)


def test_what_became_of_a_trade_is_told_as_the_bot_tells_it_and_twice_alike() -> None:
    teller = Teller("main")
    known = KnownTrade(pair="BTC/USDT", entering=("e1", "e2"))
    orders = (
        BotOrder(order_id="e1", ft_order_side="buy", status="closed"),
        BotOrder(order_id="e2", ft_order_side="buy", status="canceled"),
    )
    ended = trade(is_open=False, close_rate=79_000.5).model_copy(update={"orders": orders})
    cancelled, closed = (r.model_dump() for r in teller.ended("kill-0001", 1, known, ended, NOW))
    assert cancelled["order_ids"] == ("e2",)
    assert (closed["symbol"], closed["quantity"], closed["price"]) == ("BTC-USDT", "0.5", "79000.5")
    again = teller.ended("kill-0001", 1, known, ended, NOW)
    assert [report.id for report in again] == [cancelled["id"], closed["id"]]
    (gone,) = teller.ended("kill-0001", 1, known, None, NOW)
    assert gone.model_dump()["order_ids"] == ("e1", "e2"), "it never became a position"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (1e-9, "0.000000001"), (1e20, "100000000000000000000"), (5.0, "5")],
)
def test_figures_are_written_without_exponents(value: float, text: str) -> None:
    assert decimal_text(value) == text


def test_a_trade_that_is_seen_again_keeps_the_orders_that_were_seen_before() -> None:
    order = BotOrder(order_id="e1", ft_order_side="buy", is_open=True)
    state = ClosingState(kill_id="k", is_flat=True)
    state = state.seeing((trade().model_copy(update={"orders": (order,)}),))
    state = state.seeing((trade(),))
    assert state.known[1].entering == ("e1",)
    assert not state.is_flat
