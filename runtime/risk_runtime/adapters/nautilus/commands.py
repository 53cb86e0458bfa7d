"""The guard's own commands to nautilus's execution engine: withdraw an order, close a position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import CancelOrder, SubmitOrder
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import MarketOrder


def cancel_of(order: Any, kernel: Any) -> CancelOrder:
    """Withdraw an order on behalf of the strategy that sent it."""
    return CancelOrder(
        trader_id=order.trader_id,
        strategy_id=order.strategy_id,
        instrument_id=order.instrument_id,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        command_id=UUID4(),
        ts_init=kernel.clock.timestamp_ns(),
        client_id=kernel.cache.client_id(order.client_order_id),
    )


def close_of(
    position: Any, quantity: Decimal, kernel: Any, kill_id: str, *, at_once: bool
) -> SubmitOrder:
    """A reduce-only market order against a position, on behalf of the strategy that holds it.

    Args:
        quantity: units, not more than are held.
        at_once: what is not filled comes back instead of resting.
    """
    now = kernel.clock.timestamp_ns()
    instrument = kernel.cache.instrument(position.instrument_id)
    order = MarketOrder(
        trader_id=position.trader_id,
        strategy_id=position.strategy_id,
        instrument_id=position.instrument_id,
        client_order_id=ClientOrderId(f"RW-{UUID4()}"),
        order_side=OrderSide.SELL if position.is_long else OrderSide.BUY,
        quantity=instrument.make_qty(quantity),
        init_id=UUID4(),
        ts_init=now,
        time_in_force=TimeInForce.IOC if at_once else TimeInForce.GTC,
        reduce_only=True,
        tags=[f"riskwarden:{kill_id}"],
    )
    return SubmitOrder(
        trader_id=order.trader_id,
        strategy_id=order.strategy_id,
        order=order,
        command_id=UUID4(),
        ts_init=now,
        position_id=position.id,
        client_id=kernel.cache.client_id(position.opening_order_id),
    )
