"""An order on its way to the checks; nothing about it is taken for granted yet."""

from __future__ import annotations

from dataclasses import dataclass

from risk_runtime.order import Side


@dataclass(frozen=True, slots=True)
class TradeOrder:
    """What is about to be sent. Plain floats; what makes no sense is refused, not raised.

    Attributes:
        account: whose order it is.
        symbol: what is traded.
        side: direction.
        quantity: units, positive whatever the side.
        price: limit price, or the current price for a market order.
        stop: price at which the position will be closed at a loss, if there is a stop.
        edge_ratio: expected profit before costs, divided by the notional, if it is known.
        reduce_only: it must not do more than reduce what is held.
    """

    account: str
    symbol: str
    side: Side
    quantity: float
    price: float
    stop: float | None = None
    edge_ratio: float | None = None
    reduce_only: bool = False
