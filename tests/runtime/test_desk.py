"""The desk asks the gate before every order, and tells what was refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.reports import OrdersCancelled, TradeBlocked
from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import PreTradeLimits, TradeGate
from risk_runtime.order import Side
from risk_runtime.paper import journal
from risk_runtime.paper.broker import BrokerState, OrderPlaced, PaperBroker, TradingMode
from risk_runtime.paper.desk import Desk
from risk_runtime.paper.strategy import EqualWeightStrategy
from risk_runtime.prices import Bar, TradingDay
from risk_runtime.reporting.figures import figure, text

EVERYTHING = Scope()
CASH = Decimal(100_000)
LIMITS = replace(PreTradeLimits.of(load_policy(default_policy_path(), {})), exposure_max_ratio=0.85)


def day(number: int, low: str = "10", close: str = "10") -> TradingDay:
    prices = Bar("AAPL", Decimal(close), Decimal(close), Decimal(low), Decimal(close), 1)
    return TradingDay(date(2008, 1, number), {"AAPL": prices})


def held(kind: RestrictionKind, scope: Scope = EVERYTHING, **more: Any) -> Restriction:
    return Restriction(
        kind=kind, id="r1", scope=scope, cause="A", level="critical", since=utc_now(), **more
    )


@pytest.fixture
def broker() -> PaperBroker:
    return PaperBroker(BrokerState(cash=CASH))


@pytest.fixture
def desk(broker: PaperBroker, gate: TradeGate) -> Desk:
    return Desk("main", broker, gate, EqualWeightStrategy(), LIMITS)


def test_an_open_gate_lets_the_strategy_buy_and_rest_an_order(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    assert broker.quantity("AAPL") == 1500
    assert [(o.quantity, o.limit) for o in broker.working] == [(111, 9)]
    assert [event.kind for event in desk.told.events] == ["order_filled"]
    assert desk.told.reports == []


def test_a_closed_gate_refuses_both_and_both_refusals_are_reported_with_the_reason(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.kill(mode=KillMode.PAUSE)
    desk.play(day(2), 0)
    assert broker.log == []
    assert [event.kind for event in desk.told.events] == ["order_blocked"] * 2
    blocked = [report for report in desk.told.reports if isinstance(report, TradeBlocked)]
    assert len(blocked) == len(desk.told.reports)
    assert [(r.quantity, r.price, r.gate_version) for r in blocked] == [
        ("1500", "10", writer.version),
        ("111", "9", writer.version),
    ]
    assert "mode pause: DRAWDOWN_EMERGENCY" in blocked[0].reason


def test_a_resting_order_that_is_reached_after_the_gate_closed_is_cancelled_and_reported(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    writer.store(0, 9)
    desk.play(day(3, low="8.5", close="9.5"), 1)
    assert broker.quantity("AAPL") == 1500
    assert broker.working == ()
    (report,) = desk.told.reports
    assert isinstance(report, TradeBlocked)
    assert report.trade_id == "paper-000002"
    assert report.market_date == "2008-01-03"


def test_a_stale_gate_still_lets_the_strategy_reduce(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    writer.lease(-1)
    desk.play(day(3, close="20", low="20"), 21)
    assert broker.quantity("AAPL") < 1500
    assert [type(report) for report in desk.told.reports] == [TradeBlocked]  # the resting one


def test_resting_orders_are_replaced_at_each_rebalancing(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    desk.play(day(3), 21)
    assert len(broker.working) == 1
    placed = [event.order.order_id for event in broker.log if isinstance(event, OrderPlaced)]
    assert len(placed) == 2
    assert broker.working[0].order_id == placed[1]


def test_stopping_entries_withdraws_what_could_add_risk_and_keeps_what_reduces(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    (adding,) = (order.order_id for order in broker.working)
    stop_loss = broker.place_limit("AAPL", Side.SELL, Decimal(1500), Decimal(15))
    assert desk.stop_entries("kill-1")
    assert broker.mode is TradingMode.REDUCING
    assert broker.working == (stop_loss,)
    (report,) = desk.told.reports
    assert isinstance(report, OrdersCancelled)
    assert report.order_ids == (adding,)
    assert not desk.stop_entries("kill-1")


def test_a_withdrawal_is_told_with_its_own_time_and_not_that_of_the_day_before_it(
    writer: Any, desk: Desk
) -> None:
    writer.open()
    desk.play(day(2), 0)
    desk.see_kill("kill-1", "DRAWDOWN_EMERGENCY", KillMode.PAUSE)
    assert desk.stop_entries("kill-1")
    *_, seen, withdrawn = desk.told.events
    (report,) = desk.told.reports
    assert isinstance(withdrawn, journal.OrdersCancelled)
    assert report.at == withdrawn.at >= seen.at


def test_two_sales_of_the_whole_position_do_not_both_count_as_reducing(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    for _ in range(2):
        broker.place_limit("AAPL", Side.SELL, Decimal(1500), Decimal(15))
    assert desk.stop_entries("kill-1")
    assert broker.working == ()


def test_a_closing_that_is_run_again_reports_each_act_once(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open()
    desk.play(day(2), 0)
    list(desk.close_all("kill-1"))
    first = {report.id for report in desk.told.reports}
    list(desk.close_all("kill-1"))
    assert {report.id for report in desk.told.reports} == first
    list(desk.close_all("kill-2"))
    assert {report.id for report in desk.told.reports} > first


def test_what_was_held_is_reported_signed_with_its_price(writer: Any, desk: Desk) -> None:
    writer.open()
    desk.play(day(2), 0)
    list(desk.close_all("kill-1"))
    kinds = [report.kind for report in desk.told.reports]
    assert kinds == ["orders_cancelled", "position_closed", "flat_confirmed", "orders_cancelled"]
    closed = [e for e in desk.told.events if isinstance(e, journal.PositionClosed)]
    assert [(e.symbol, e.quantity, e.price) for e in closed] == [("AAPL", 1500.0, 10.0)]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1500", "1500"), ("1E+3", "1000"), ("0.1250", "0.125"), ("-3.0", "-3"), ("-0.0", "0")],
)
def test_decimals_are_written_as_reports_carry_them(value: str, shown: str) -> None:
    assert text(Decimal(value)) == shown


# -- pre-trade checks --------------------------------------------------------------------------


def test_an_order_beyond_a_limit_is_refused_before_the_gate_and_told_with_its_figures(
    writer: Any, broker: PaperBroker, gate: TradeGate
) -> None:
    writer.open()
    limits = replace(LIMITS, position_max_ratio=0.10)
    desk = Desk("main", broker, gate, EqualWeightStrategy(), limits)
    desk.play(day(2), 0)
    assert broker.quantity("AAPL") == 0
    assert len(broker.working) == 1, "the small one rests"
    (report,) = desk.told.reports
    assert isinstance(report, TradeBlocked)
    assert (report.limit, report.value, report.threshold) == ("position_size", "0.15", "0.1")
    assert report.reason == "position AAPL would come to 15.00% of equity, more than 10.00%"
    assert report.trade_id == "2008-01-02-AAPL-buy-market"
    assert report.gate_version == writer.version
    assert [(e.kind, getattr(e, "limit", "")) for e in desk.told.events] == [
        ("order_blocked", "position_size")
    ]


def test_what_rests_already_counts_against_the_limits_of_what_comes_after(
    writer: Any, broker: PaperBroker, gate: TradeGate
) -> None:
    writer.open()
    # 15 % at the market leave room for less than the 1 % that would rest.
    limits = replace(LIMITS, position_max_ratio=0.155)
    desk = Desk("main", broker, gate, EqualWeightStrategy(), limits)
    desk.play(day(2), 0)
    assert broker.quantity("AAPL") == 1500
    assert broker.working == ()
    (report,) = desk.told.reports
    assert isinstance(report, TradeBlocked)
    assert report.limit == "position_size"


def test_a_disabled_symbol_is_not_bought_and_can_still_be_sold(
    writer: Any, broker: PaperBroker, gate: TradeGate
) -> None:
    writer.open()
    Desk("main", broker, gate, EqualWeightStrategy(), LIMITS).play(day(2), 0)
    held = broker.quantity("AAPL")
    limits = replace(LIMITS, disabled_symbols=frozenset({"AAPL"}))
    desk = Desk("main", broker, gate, EqualWeightStrategy(), limits)
    desk.play(day(3, close="20", low="20"), 21)
    assert 0 < broker.quantity("AAPL") < held
    assert [r.limit for r in desk.told.reports if isinstance(r, TradeBlocked)] == [
        "disabled_symbol"
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.20100000001, "0.201"), (1e-7, "0.0000001"), (3.0, "3"), (None, None),
        (float("nan"), None), (float("inf"), None), (1e300, None),
    ],
)  # fmt: skip
def test_figures_of_decisions_are_written_as_reports_carry_them(
    value: float | None, shown: str | None
) -> None:
    assert figure(value) == shown


def test_orders_are_as_small_as_a_restriction_wants_and_are_filled_so_when_they_are_reached(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open(50, held(RestrictionKind.REDUCE_SIZE, size_ratio=0.5))
    desk.play(day(2), 0)
    assert broker.quantity("AAPL") == 750
    assert [(o.quantity, o.full_quantity) for o in broker.working] == [(55, 111)]
    desk.play(day(3, low="8.5", close="9.5"), 1)
    assert broker.quantity("AAPL") == 805
    assert desk.told.reports == []


def test_a_restriction_of_another_symbol_or_sector_holds_nothing_back(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open(
        50,
        held(RestrictionKind.BLOCK_TRADE, Scope(account="main", symbol="IBM")),
        held(RestrictionKind.BLOCK_TRADE, Scope(account="main", sector="energy")),
        held(RestrictionKind.HALT_NEW_TRADES, Scope(account="other")),
    )
    desk.play(day(2), 0)
    assert broker.quantity("AAPL") == 1500


def test_what_a_restriction_refuses_is_reported_once_with_its_reason(
    writer: Any, desk: Desk, broker: PaperBroker
) -> None:
    writer.open(50, held(RestrictionKind.BLOCK_TRADE, Scope(account="main", sector="technology")))
    for number in range(3):  # the wish comes back with the next rebalancing, not every day
        desk.play(day(2 + number), number)
    assert broker.log == []
    reasons = [report.reason for report in desk.told.reports if isinstance(report, TradeBlocked)]
    assert reasons == ["block_trade for account=main,sector=technology: A (critical)"] * 2
