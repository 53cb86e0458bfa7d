"""An order as the gate sees it, and whether it only reduces risk.

Invariant: an order counts as reducing only if it can be proven from the position that stands
behind it. Without a position, beyond its size, or on its own side, it adds risk; so does one
that would flip the position through zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from risk_runtime.errors import InvalidOrderError


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True)
class Order:
    """What is about to be sent.

    Attributes:
        symbol: what is traded.
        side: direction.
        quantity: units, positive whatever the side.
        price: limit price, or the current price for a market order.
        position_quantity: signed units held now, less what orders already working will take
            away; without it the order counts as adding risk.
        full_quantity: the quantity it would have if the gate did not ask for smaller ones; without
            it, one that adds risk is refused while the gate does.
        account, strategy, venue, sector, asset: what it belongs to, as the snapshots call it. What
            is not told counts as covered by every restriction.
    """

    symbol: str
    side: Side
    quantity: float
    price: float
    position_quantity: float = 0.0
    full_quantity: float | None = None
    account: str = ""
    strategy: str = ""
    venue: str = ""
    sector: str = ""
    asset: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.quantity < math.inf:
            raise InvalidOrderError(
                f"order for {self.symbol!r}: quantity is {self.quantity!r}; "
                "it must be finite and positive, the side says the direction"
            )
        if not math.isfinite(self.price):
            raise InvalidOrderError(
                f"order for {self.symbol!r}: price is {self.price!r}; it must be finite"
            )
        if self.full_quantity is not None and not 0 < self.full_quantity < math.inf:
            raise InvalidOrderError(
                f"order for {self.symbol!r}: full_quantity is {self.full_quantity!r}; "
                "it must be finite and positive"
            )

    def reduces(self, position_quantity: float) -> bool:
        """Whether this order can only make a position of this size smaller, or flat."""
        held = position_quantity if self.side is Side.SELL else -position_quantity
        return held >= self.quantity

    @property
    def reduces_risk(self) -> bool:
        """Whether it reduces the position it was built with."""
        return self.reduces(self.position_quantity)
