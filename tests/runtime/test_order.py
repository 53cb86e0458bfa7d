"""An order reduces risk only if the position behind it proves it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_runtime import InvalidOrderError, Order, Side


@pytest.mark.parametrize(
    ("side", "quantity", "held", "reduces"),
    [
        (Side.SELL, 10, 10, True),
        (Side.SELL, 4, 10, True),
        (Side.SELL, 11, 10, False),  # flips through zero
        (Side.SELL, 1, 0, False),
        (Side.SELL, 1, -5, False),
        (Side.BUY, 5, -5, True),
        (Side.BUY, 6, -5, False),
        (Side.BUY, 1, 10, False),
        (Side.SELL, 1, math.nan, False),
    ],
)
def test_an_order_reduces_only_what_is_held_and_never_through_zero(
    side: Side, quantity: float, held: float, reduces: bool
) -> None:
    assert Order("AAPL", side, quantity, 1.0).reduces(held) is reduces
    assert Order("AAPL", side, quantity, 1.0, position_quantity=held).reduces_risk is reduces


def test_an_order_without_a_known_position_adds_risk() -> None:
    assert not Order("AAPL", Side.SELL, 1, 1.0).reduces_risk


@given(
    held=st.integers(-1000, 1000), quantity=st.integers(1, 1000), side=st.sampled_from(list(Side))
)
def test_a_reducing_order_leaves_less_and_on_the_same_side(
    held: int, quantity: int, side: Side
) -> None:
    after = held + side.sign * quantity
    shrinks = abs(after) < abs(held) and after * held >= 0
    assert Order("X", side, quantity, 1.0).reduces(held) is shrinks


@pytest.mark.parametrize("quantity", [0, -1, math.nan, math.inf])
def test_a_quantity_that_cannot_be_judged_is_refused_with_what_would_be_right(
    quantity: float,
) -> None:
    with pytest.raises(InvalidOrderError, match="must be finite and positive"):
        Order("AAPL", Side.BUY, quantity, 1.0)


@pytest.mark.parametrize("price", [math.nan, -math.inf])
def test_a_price_that_cannot_be_judged_is_refused(price: float) -> None:
    with pytest.raises(InvalidOrderError, match="price"):
        Order("AAPL", Side.BUY, 1, price)
