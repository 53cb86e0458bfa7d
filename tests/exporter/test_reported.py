"""What only the runtime can tell: worked by hand, and as laws that hold for all of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter.named import Named
from risk_exporter.reported import Holdings, Reported, position_risk, reported
from risk_policy.contracts.snapshot import Position, Snapshot

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LONG, SHORT = 100.0, -100.0


def told(*positions: Position, equity: float = 10_000, **fields: Any) -> Reported:
    snapshot = Snapshot(
        account="main", equity=equity, cash=0, positions=positions, taken_at=NOW,
        market_time=NOW, **fields,
    )  # fmt: skip
    return reported(snapshot, positions, holdings(*positions))


def holdings(*positions: Position) -> Holdings:
    return Holdings(
        tuple(x.symbol for x in positions),
        np.array([x.quantity for x in positions]),
        np.array([x.mark for x in positions]),
        np.array([x.average_price for x in positions]),
    )


def figures(named: Named) -> dict[str, float]:
    return dict(zip(named.names, named.values.tolist(), strict=True))


def held(
    symbol: str, quantity: float, mark: float, average: float, stop: float | None = None
) -> Position:
    return Position(symbol=symbol, quantity=quantity, mark=mark, average_price=average, stop=stop)


# -- risk up to the stop ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "mark", "average", "stop", "risk"),
    [
        (LONG, 100, 100, 98, 0.02),  # 100 units that lose 2 each, of 10,000
        (LONG, 110, 100, 98, 0.02),  # of its cost, however much it has gained
        (LONG, 110, 100, 105, 0.0),  # locks a profit in
        (LONG, 110, 100, 100, 0.0),
        (LONG, 95, 100, 98, 0.05),  # the market is beyond the stop already
        (LONG, 95, 100, 105, 0.05),  # a stop on the wrong side protects nothing
        (SHORT, 100, 100, 103, 0.03),
        (SHORT, 90, 100, 95, 0.0),
        (SHORT, 107, 100, 103, 0.07),
    ],
)
def test_the_risk_of_a_position_is_what_it_loses_of_its_cost_at_its_stop(
    quantity: float, mark: float, average: float, stop: float, risk: float
) -> None:
    x = told(held("A", quantity, mark, average, stop))
    assert figures(x.position_risk_ratio) == pytest.approx({"A": risk})


def test_a_position_without_a_stop_has_no_such_figure() -> None:
    x = told(held("A", 1, 1, 1), held("B", 10, 100, 100, 90), held("C", 1, 1, 1))
    assert figures(x.position_risk_ratio) == pytest.approx({"B": 0.01})
    assert told(held("A", 1, 1, 1)).position_risk_ratio.names == ()


@pytest.mark.parametrize("equity", [0, -1])
def test_without_equity_any_risk_is_infinite_and_a_locked_profit_is_none(equity: float) -> None:
    x = told(held("A", 1, 100, 100, 99), held("B", 1, 110, 100, 105), equity=equity)
    assert figures(x.position_risk_ratio) == {"A": math.inf, "B": 0}


PRICE = st.floats(1e-6, 1e9)


@given(
    quantity=st.floats(-1e300, 1e300).filter(lambda x: x != 0),
    prices=st.tuples(PRICE, PRICE, PRICE),
    equity=st.floats(-1e12, 1e12),
)
def test_the_risk_is_a_loss_and_never_silent(
    quantity: float, prices: tuple[float, float, float], equity: float
) -> None:
    mark, average, stop = prices
    x = position_risk([stop], holdings(held("A", quantity, mark, average)), equity)
    (risk,) = x.values
    assert risk >= 0
    if equity > 0 and risk == 0:
        exit_price = min(stop, mark) if quantity > 0 else max(stop, mark)
        lost = abs(quantity) * ((average - exit_price) if quantity > 0 else exit_price - average)
        assert lost <= 0 or lost / equity == 0


# -- usage -----------------------------------------------------------------------------------


def test_usage_is_exposure_over_limit_whatever_the_sign() -> None:
    x = told(
        strategies=[
            {"name": "long", "exposure": 50, "limit": 200},
            {"name": "short", "exposure": -300, "limit": 200},
            {"name": "closed-flat", "exposure": 0, "limit": 0},
            {"name": "closed-open", "exposure": -1, "limit": 0},
            {"name": "unlimited", "edge": 0.5},
        ],
        venues=[{"name": "nyse", "exposure": 5, "limit": 4}],
        budgets=[
            {"name": "calls", "spent": 8, "limit": 10},
            {"name": "none", "spent": 1, "limit": 0},
            {"name": "unused", "spent": 0, "limit": 0},
        ],
    )
    assert figures(x.strategy_usage_ratio) == {
        "long": 0.25, "short": 1.5, "closed-flat": 0, "closed-open": math.inf,
    }  # fmt: skip
    assert figures(x.venue_usage_ratio) == {"nyse": 1.25}
    assert figures(x.trade_edge_ratio) == {"unlimited": 0.5}
    assert figures(x.budget_usage_ratio) == {"calls": 0.8, "none": math.inf, "unused": 0}


# -- what is told of some only -----------------------------------------------------------------


OPTIONAL = st.none() | st.floats(0, 1e9)


@given(st.lists(st.tuples(OPTIONAL, OPTIONAL), max_size=8))
def test_exactly_what_was_told_has_a_figure_and_it_is_that(
    values: list[tuple[float | None, float | None]],
) -> None:
    x = told(
        markets=[
            {"symbol": f"S{n}", "spread_ratio": spread, "atr_baseline_ratio": atr}
            for n, (spread, atr) in enumerate(values)
        ],
        latencies={
            "venues": [
                {"name": f"S{n}", "websocket_lag_seconds": lag, "order_fill_seconds": fill}
                for n, (lag, fill) in enumerate(values)
            ]
        },
    )
    first = {f"S{n}": a for n, (a, _) in enumerate(values) if a is not None}
    second = {f"S{n}": b for n, (_, b) in enumerate(values) if b is not None}
    assert figures(x.spread_ratio) == figures(x.websocket_lag_seconds) == first
    assert figures(x.atr_baseline_ratio) == figures(x.order_fill_seconds) == second
    assert figures(x.order_placement_seconds) == {}


def test_a_venue_whose_clock_is_ahead_lags_less_than_nothing() -> None:
    x = told(latencies={"venues": [{"name": "nyse", "websocket_lag_seconds": -0.5}]})
    assert figures(x.websocket_lag_seconds) == {"nyse": -0.5}
