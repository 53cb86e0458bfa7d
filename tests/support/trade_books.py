"""Books, orders and a clock for the tests of the pre-trade checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from risk_policy import default_policy_path, load_policy
from risk_runtime import Instrument, PreTradeLimits, Side, TradeOrder

LIMITS = PreTradeLimits.of(load_policy(default_policy_path(), {}))
NOW = 1000.0
SYMBOLS = ("A", "B", "C", "D")
GROUPS = {"A": ("x", "one"), "B": ("x", "one"), "C": ("y", "one"), "D": ("z", "two")}
Make = Callable[..., Any]


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


prices = st.floats(0.5, 2000)


@st.composite
def books(draw: st.DrawFn) -> tuple[tuple[Instrument, ...], float]:
    """Instruments and equity; often within the limits, often beyond."""
    equity = draw(st.floats(1_000, 1e6))
    instruments = []
    # Half of them with room for several orders, half anywhere.
    share = draw(st.sampled_from([st.just(0.0), st.floats(-0.1, 0.1), st.floats(-0.3, 0.3)]))
    for symbol in SYMBOLS:
        mark = draw(prices)
        asset, sector = GROUPS[symbol]
        quantity, buying, selling = (draw(share) * equity / mark for _ in range(3))
        instruments.append(
            Instrument(
                symbol, mark, NOW, quantity, None, abs(buying) / 3, abs(selling) / 3, asset, sector
            )
        )
    return tuple(instruments), equity


def price_of(line: Instrument) -> float:
    assert line.mark is not None
    return line.mark


@st.composite
def orders(draw: st.DrawFn, instruments: tuple[Instrument, ...], equity: float) -> TradeOrder:
    line = draw(st.sampled_from(instruments))
    return TradeOrder(
        "main",
        line.symbol,
        draw(st.sampled_from(Side)),
        draw(st.floats(0.05, 0.22)) * equity / price_of(line),
        price_of(line) * draw(st.sampled_from([0.7, 0.95, 1.0, 1.0, 1.05, 1.05, 1.3])),
        reduce_only=draw(st.integers(0, 9)) == 0,
    )
