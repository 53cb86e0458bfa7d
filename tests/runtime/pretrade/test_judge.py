"""Each limit against figures worked out by hand, from both sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from risk_runtime import Book, Instrument, PreTradeLimit, PreTradeLimits, Side, TradeOrder
from risk_runtime.pretrade import judge

L = PreTradeLimit
NOW = 1000.0
NAN, INF = math.nan, math.inf
Make = Callable[..., Any]


@pytest.fixture
def asked(order: Make, book: Make, limits: PreTradeLimits) -> Make:
    """The decision about an order, from what differs from the usual."""

    def ask(
        book_of: dict[str, Any] | None = None, under: dict[str, Any] | None = None, **other: Any
    ) -> Any:
        return judge(order(**other), book(**(book_of or {})), replace(limits, **(under or {})), NOW)

    return ask


def test_an_ordinary_order_is_within_all_limits(asked: Make) -> None:
    decision = asked(stop=95.0, edge_ratio=0.01)
    assert decision.allowed
    assert (decision.limit, decision.value, decision.threshold) == (None, None, None)


# Equity is 100,000 and a unit of AAPL costs 100, so a unit is 0.1 % of it; 100 are held.
@pytest.mark.parametrize(
    ("most", "limit", "value", "threshold", "how"),
    [
        (100, L.POSITION_SIZE, 0.201, 0.20, {}),
        (20, L.POSITION_SIZE, 0.121, 0.12, {"book_of": {"max_notional": 12_000.0}}),
        (60, L.POSITION_SIZE, 0.161, 0.16, {"under": {"position_usage_ratio": 0.8}}),
        (70, L.POSITION_SIZE, 0.201, 0.20, {"book_of": {"buying": 30.0}}),
        (30, L.ORDER_SIZE, 0.031, 0.03, {"under": {"order_max_ratio": 0.03}}),
        (50, L.ASSET_CONCENTRATION, 0.151, 0.15, {"under": {"asset_max_ratio": 0.15}}),
        # 20 % of equity are in technology already, 25 % in all positions together.
        (80, L.SECTOR_CONCENTRATION, 0.281, 0.28, {"under": {"sector_max_ratio": 0.28}}),
        (60, L.EXPOSURE, 0.311, 0.31, {"under": {"exposure_max_ratio": 0.31}}),
        (40, L.EXPOSURE, 0.291, 0.29, {"book_of": {"account": {"max_exposure": 29_000.0}}}),
        # Five a unit until the stop, so a unit risks 0.005 %; the units held cost 90 and gain.
        (40, L.RISK_PER_TRADE, 0.00205, 0.002, {
            "stop": 95.0, "under": {"risk_per_trade_ratio": 0.002}}),
        # Held: 100 units that cost 90 lose 10 each at 80; a new one loses 20: 1 % + 0.02 % each.
        (50, L.POSITION_RISK, 0.0202, 0.02, {
            "stop": 80.0, "under": {"position_risk_ratio": 0.02}}),
    ],
)  # fmt: skip
def test_a_limit_is_kept_at_its_threshold_and_refuses_one_unit_more(
    asked: Make, most: int, limit: L, value: float, threshold: float, how: dict[str, Any]
) -> None:
    assert asked(quantity=float(most), **how).allowed
    decision = asked(quantity=most + 1.0, **how)
    assert not decision.allowed
    assert decision.limit is limit
    assert decision.value == pytest.approx(value)
    assert decision.threshold == pytest.approx(threshold)


def test_the_committed_policy_says_what_the_users_asked_for(limits: PreTradeLimits) -> None:
    assert limits.position_max_ratio * limits.position_usage_ratio == 0.20
    assert limits.exposure_max_ratio == 0.50
    assert limits.risk_per_trade_ratio == 0.02
    assert limits.position_risk_ratio == 0.05
    assert limits.min_edge_ratio == 0.001
    assert limits.round_trip_ratio == pytest.approx(0.0018)
    assert (limits.asset_max_ratio, limits.sector_max_ratio) == (0.40, 0.70)


def test_assets_and_sectors_count_whatever_is_held_in_them_in_either_direction(
    asked: Make,
) -> None:
    others = (Instrument("AAPL-PERP", 10.0, NOW, quantity=-1500.0, asset="AAPL", sector="tech"),)
    of_it = {"others": others, "sector": "tech"}
    decision = asked(of_it, {"asset_max_ratio": 0.25})
    assert decision.limit is L.ASSET_CONCENTRATION
    assert decision.value == pytest.approx(0.26)
    assert asked(of_it, {"sector_max_ratio": 0.25}).limit is L.SECTOR_CONCENTRATION


@pytest.mark.parametrize(
    ("edge", "price", "quantity", "allowed", "left"),
    [
        # 0.18 % for fees and slippage both ways; up to 1,000 nothing for impact.
        (0.0028, 100.0, 10.0, True, None),
        (0.0027, 100.0, 10.0, False, 0.0009),
        # 4,000 is four times as much: twice 0.01 % each way.
        (0.0031, 100.0, 40.0, False, 0.0009),
        (0.0033, 100.0, 40.0, True, None),
        (-0.01, 100.0, 1.0, False, -0.0118),
        (NAN, 100.0, 1.0, False, NAN),
        (INF, 100.0, 1.0, False, INF),
    ],
)
def test_an_edge_has_to_be_left_after_fees_slippage_and_impact(
    asked: Make, edge: float, price: float, quantity: float, allowed: bool, left: float | None
) -> None:
    decision = asked(edge_ratio=edge, price=price, quantity=quantity)
    assert decision.allowed is allowed
    if left is not None:
        assert decision.limit is L.EDGE
        assert decision.value == pytest.approx(left, nan_ok=True)
        assert decision.threshold == 0.001


@pytest.mark.parametrize(
    ("side", "price", "limit", "value"),
    [
        (Side.BUY, 105.0, None, None),
        (Side.BUY, 105.1, L.PRICE_COLLAR, 0.051),
        (Side.BUY, 1000.0, L.PRICE_COLLAR, 9.0),
        (Side.BUY, 75.0, None, None),
        (Side.BUY, 74.0, L.RESTING_COLLAR, 0.26),
        (Side.SELL, 94.9, L.PRICE_COLLAR, 0.051),
        (Side.SELL, 126.0, L.RESTING_COLLAR, 0.26),
    ],
)
def test_a_price_far_from_the_market_is_taken_for_a_slip_of_the_finger(
    asked: Make, side: Side, price: float, limit: L | None, value: float | None
) -> None:
    # Sold beyond what is held, since whatever reduces is not held up.
    quantity = 1.0 if side is Side.BUY else 101.0
    decision = asked(side=side, price=price, quantity=quantity)
    assert decision.limit is limit
    assert decision.value == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("limit", "how"),
    [
        *((L.QUANTITY, {"quantity": quantity}) for quantity in (0.0, -1.0, NAN, INF)),
        (L.SIDE, {"side": "buy"}),
        (L.ACCOUNT, {"account": "other"}),
        (L.SYMBOL, {"symbol": "AAPL "}),
        *((L.PRICE, {"price": price}) for price in (0.0, -1.0, NAN, INF)),
        *((L.MARKET_PRICE, {"book_of": {"mark": mark}}) for mark in (0.0, -1.0, NAN, INF)),
        (L.PRICE_AGE, {"book_of": {"priced_at": NOW - 60.1}}),
        (L.PRICE_AGE, {"book_of": {"priced_at": NAN}}),
        (L.BOOK_AGE, {"book_of": {"account": {"taken_at": NOW - 10.1}}}),
        (L.BOOK_AGE, {"book_of": {"account": {"taken_at": NOW + 0.1}}}),
        (L.BOOK_AGE, {"book_of": {"account": {"taken_at": NAN}}}),
        *((L.EQUITY, {"book_of": {"account": {"equity": e}}}) for e in (0.0, -5.0, NAN, INF)),
        (L.DISABLED_SYMBOL, {"under": {"disabled_symbols": frozenset({"AAPL"})}}),
        (L.STOP, {"under": {"require_stop": True}}),
        *((L.STOP, {"stop": stop}) for stop in (100.0, 101.0, 0.0, -1.0, NAN)),
        (L.EDGE, {"under": {"require_edge": True}}),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused_with_a_reason(
    asked: Make, limit: L, how: dict[str, Any]
) -> None:
    decision = asked(**how)
    assert not decision.allowed
    assert decision.limit is limit
    assert decision.reason


def test_whatever_the_collars_allow_a_price_of_nothing_is_none(asked: Make) -> None:
    assert asked(under={"resting_collar_ratio": 1.0}, price=0.0).limit is L.PRICE


def test_an_endless_quantity_reduces_nothing(asked: Make) -> None:
    assert asked({"quantity": INF}, side=Side.SELL, quantity=INF).limit is L.QUANTITY


@pytest.mark.parametrize("field", ["quantity", "buying", "selling", "max_notional"])
def test_a_figure_of_the_position_that_is_no_number_lets_nothing_be_added(
    asked: Make, field: str
) -> None:
    assert not asked({field: NAN}).allowed


def test_another_position_without_a_price_leaves_the_exposure_unknown(
    asked: Make,
) -> None:
    unpriced = Instrument("X", mark=NAN, priced_at=NOW, quantity=1.0)
    assert asked({"others": (unpriced,)}).limit is L.EXPOSURE
    assert asked({"others": (replace(unpriced, quantity=0.0),)}).allowed, "nothing is held there"


@pytest.mark.parametrize(
    "hopeless",
    [
        {"mark": NAN},
        {"priced_at": NAN},
        {"account": {"taken_at": 0.0}},
        {"account": {"equity": -1.0}},
        {"max_notional": 1.0},
    ],
)
def test_what_only_reduces_passes_whatever_is_wrong(asked: Make, hopeless: dict[str, Any]) -> None:
    nothing_allowed = {"disabled_symbols": frozenset({"AAPL"}), "order_max_ratio": 0.0}
    for price in (100.0, 0.01, 1e9, NAN, None):
        decision = asked(hopeless, nothing_allowed, side=Side.SELL, quantity=100.0, price=price)
        assert decision.allowed, decision
        assert decision.reason == "it only reduces risk"


def test_a_short_position_is_reduced_by_purchases(asked: Make) -> None:
    short = {"quantity": -100.0, "account": {"equity": -1.0}}
    assert asked(short, quantity=100.0).allowed
    assert asked(short, quantity=101.0).limit is L.EQUITY


def test_what_working_sales_will_take_away_cannot_be_sold_again(asked: Make) -> None:
    flagged = {"side": Side.SELL, "reduce_only": True}
    decision = asked({"selling": 60.0}, quantity=41.0, **flagged)
    assert decision.limit is L.REDUCE_ONLY
    assert (decision.value, decision.threshold) == (41.0, 40.0)
    assert asked({"selling": 60.0}, quantity=40.0, **flagged).allowed


def test_a_reduction_from_flat_is_nonsense(asked: Make) -> None:
    decision = asked({"quantity": 0.0}, side=Side.SELL, quantity=1.0, reduce_only=True)
    assert decision.limit is L.REDUCE_ONLY
    assert decision.threshold == 0.0


def test_an_order_that_turns_the_position_around_is_judged_as_one_that_adds(asked: Make) -> None:
    assert asked(side=Side.SELL, quantity=200.0).allowed
    decision = asked({"quantity": 10.0}, {"order_max_ratio": 1.0}, side=Side.SELL, quantity=211.0)
    assert decision.limit is L.POSITION_SIZE
    assert decision.value == pytest.approx(0.201)


def test_a_bad_fill_counts_against_the_equity_that_limits_are_measured_by(asked: Make) -> None:
    # 100 more at 105 cost 500: 20,000 of position in 99,500 of equity.
    decision = asked(price=105.0, quantity=100.0)
    assert decision.limit is L.POSITION_SIZE
    assert decision.value == pytest.approx(20_000 / 99_500)


def test_a_symbol_twice_is_no_book() -> None:
    twice = (Instrument("A", 1.0, NOW), Instrument("A", 2.0, NOW))
    with pytest.raises(ValueError, match="symbol 'A' appears twice"):
        Book("main", equity=1.0, instruments=twice, taken_at=NOW)


def test_judging_changes_nothing(order: Make, book: Make, limits: PreTradeLimits) -> None:
    of = book()
    for _ in range(100):
        assert judge(order(), of, limits, NOW).allowed
    assert isinstance(order(), TradeOrder)
