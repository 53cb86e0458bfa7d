"""Kills of less than the whole paper account: what they cover ends flat, all else trades on."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from risk_policy.clock import utc_now
from risk_policy.contracts.reports import (
    FlatConfirmed,
    OrdersCancelled,
    PositionClosed,
    TradeBlocked,
)
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import PreTradeLimits, Side, TradeGate
from risk_runtime.paper.broker import BrokerState, PaperBroker, TradingMode
from risk_runtime.paper.desk import Desk
from risk_runtime.paper.strategy import EqualWeightStrategy

AAPL, GOOG = "AAPL", "GOOG"
FIRST, KILLED_ON, LAST = date(2008, 1, 15), date(2008, 2, 6), date(2008, 4, 15)
OF_AAPL = "account=main,symbol=AAPL"


def kill(scope: str, mode: KillMode = KillMode.IMMEDIATE) -> Kill:
    return Kill(
        id="kill-0001",
        mode=mode,
        scope=Scope.parse(scope),
        cause="depeg",
        level="operator",
        since=utc_now(),
    )


def replayed(rig: Any, writer: Any, one: Kill) -> Any:
    """A run in which the kill comes into force at the gate after one of its days."""

    def trip(day: date) -> None:
        if day >= KILLED_ON:
            rig.on_day = lambda _: None
            writer.open(59, one)

    writer.open(seconds=59)
    rig.on_day, rig.first, rig.last = trip, FIRST, LAST
    return rig.run()


def of(rig: Any, kind: type) -> list[Any]:
    return [report for report in rig.reports if isinstance(report, kind)]


def filled_after(rig: Any) -> set[str]:
    later = (one for one in rig.journal("order_filled") if one["market_date"] > str(KILLED_ON))
    return {one["symbol"] for one in later}


def test_a_symbol_is_closed_and_confirmed_flat_while_everything_else_trades_on(
    rig: Any, writer: Any
) -> None:
    runtime = replayed(rig, writer, kill(OF_AAPL))
    assert AAPL not in runtime.broker.holdings
    assert not [order for order in runtime.broker.working if order.symbol == AAPL]
    assert runtime.broker.mode is TradingMode.ACTIVE
    assert len(runtime.broker.holdings) == 4
    assert filled_after(rig) == {"GOOG", "IBM", "MSFT", "WTI"}

    (closed,) = of(rig, PositionClosed)
    assert (closed.symbol, closed.kill_id, closed.market_date) == (
        AAPL, "kill-0001", str(KILLED_ON),
    )  # fmt: skip
    (flat,) = of(rig, FlatConfirmed)
    assert flat.kill_id == "kill-0001"
    assert [one["scope"] for one in rig.journal("flat_confirmed")] == [OF_AAPL]
    ids = [report.id for report in rig.reports]
    assert len(set(ids)) == len(ids)
    blocked = of(rig, TradeBlocked)
    assert {report.symbol for report in blocked} == {AAPL}
    assert all(f"kill switch tripped for {OF_AAPL}" in report.reason for report in blocked)


def test_after_a_restart_nothing_is_told_twice_and_what_was_cleared_is_bought_again(
    rig: Any, writer: Any
) -> None:
    replayed(rig, writer, kill(OF_AAPL))
    told = len(rig.reports)
    rig.last = date(2008, 4, 17)
    rig.run()
    assert not of(rig, FlatConfirmed)[1:]
    assert all(isinstance(report, TradeBlocked) for report in rig.reports[told:])
    writer.open(59)
    rig.last = date(2008, 6, 16)
    assert AAPL in rig.run().broker.holdings


def test_a_pause_of_a_symbol_cancels_what_would_add_to_it_and_keeps_what_is_held(
    rig: Any, writer: Any
) -> None:
    runtime = replayed(rig, writer, kill(OF_AAPL, KillMode.PAUSE))
    assert AAPL in runtime.broker.holdings
    assert not of(rig, PositionClosed)
    assert not of(rig, FlatConfirmed)
    cancelled = of(rig, OrdersCancelled)
    assert all(report.order_ids and report.kill_id == "kill-0001" for report in cancelled)


@pytest.mark.parametrize("scope", ["strategy=equal_weight", "account=main,venue=paper"])
def test_what_covers_all_of_the_account_closes_all_of_it(rig: Any, writer: Any, scope: str) -> None:
    runtime = replayed(rig, writer, kill(scope))
    assert not runtime.broker.holdings
    assert runtime.broker.mode is TradingMode.HALTED
    assert len(of(rig, FlatConfirmed)) == 1


@pytest.mark.parametrize("scope", ["account=other", "account=other,symbol=AAPL"])
def test_a_kill_of_another_account_is_none_of_its_business(
    rig: Any, writer: Any, scope: str
) -> None:
    runtime = replayed(rig, writer, kill(scope))
    assert len(runtime.broker.holdings) == 5
    assert rig.reports == []


def test_an_account_with_nothing_within_says_so_at_once(rig: Any, writer: Any) -> None:
    runtime = replayed(rig, writer, kill("strategy=trend"))
    assert len(runtime.broker.holdings) == 5
    assert not of(rig, PositionClosed)
    assert [report.kill_id for report in of(rig, FlatConfirmed)] == ["kill-0001"]


@pytest.mark.parametrize("acts", range(8))
def test_a_closing_that_is_interrupted_anywhere_ends_flat_within_and_touches_nothing_else(
    gate: TradeGate, acts: int
) -> None:
    broker = PaperBroker(BrokerState(cash=Decimal(100_000)))
    for symbol in (AAPL, GOOG):
        broker.set_mark(symbol, Decimal(10))
        broker.market(symbol, Side.BUY, Decimal(100))
        broker.place_limit(symbol, Side.SELL, Decimal(40), Decimal(12), reduce_only=True)
        broker.place_limit(symbol, Side.BUY, Decimal(40), Decimal(8))
    limits: PreTradeLimits | None = None
    desk = Desk("main", broker, gate, EqualWeightStrategy(), limits)
    one = kill(OF_AAPL)
    for _, _ in zip(range(acts), desk.close_within(one), strict=False):
        assert broker.quantity(AAPL) >= 0
    broker = PaperBroker(broker.state())  # it died, and starts again
    again = Desk("main", broker, gate, EqualWeightStrategy(), limits)
    list(again.close_within(one))
    assert {symbol: holding.quantity for symbol, holding in broker.holdings.items()} == {GOOG: 100}
    assert [order.symbol for order in broker.working] == [GOOG, GOOG]
    assert broker.mode is TradingMode.ACTIVE
    told = [report.kind for report in again.told.reports]
    assert "flat_confirmed" in told


def test_of_several_kills_of_all_it_has_each_is_confirmed(rig: Any, writer: Any) -> None:
    several = [
        kill(scope).model_copy(update={"id": scope})
        for scope in ("*", "account=main", "strategy=equal_weight", "symbol=AAPL")
    ]

    def trip(day: date) -> None:
        if day >= KILLED_ON:
            rig.on_day = lambda _: None
            writer.kill("*")
            writer._write_detail(halted=True, restrictions=tuple(several))

    writer.open(seconds=59)
    rig.on_day, rig.first, rig.last = trip, FIRST, LAST
    runtime = rig.run()
    assert not runtime.broker.holdings
    confirmed = [report.kill_id for report in of(rig, FlatConfirmed)]
    assert sorted(confirmed) == sorted(one.id for one in several)
