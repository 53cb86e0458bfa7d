"""Equal weights, rebalanced now and then, with a small order resting below the market.

Deterministic: the same day and the same book always give the same wishes. Wishes are not
orders; who carries them out asks the gate first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Final

from risk_runtime.order import Side
from risk_runtime.prices import Bar

SECTORS: Final[Mapping[str, str]] = {
    "AAPL": "technology",
    "GOOG": "communication",
    "IBM": "technology",
    "MSFT": "technology",
    "WTI": "energy",
}
UNKNOWN_SECTOR: Final = "unknown"
_TICK: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """What the strategy wants to hold.

    Attributes:
        weight_ratio: share of equity in each symbol.
        rebalance_days: trading days from one rebalancing to the next.
        dip_discount_ratio: how far below the market the resting order lies.
        dip_weight_ratio: share of equity the resting order buys for.
    """

    weight_ratio: Decimal = Decimal("0.15")
    rebalance_days: int = 21
    dip_discount_ratio: Decimal = Decimal("0.10")
    dip_weight_ratio: Decimal = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Wish:
    """An order the strategy would like to see.

    Attributes:
        symbol: what to trade.
        side: direction.
        quantity: whole units.
        limit: where it should rest; None to trade at the market.
    """

    symbol: str
    side: Side
    quantity: Decimal
    limit: Decimal | None = None


class EqualWeightStrategy:
    """Wishes of one day, from the day's number, its prices and the book."""

    def __init__(self, settings: StrategySettings = StrategySettings()) -> None:
        self._settings = settings

    def rebalances_on(self, day_number: int) -> bool:
        """Whether resting orders are withdrawn and new wishes made on this day (0, 21, …)."""
        return day_number % self._settings.rebalance_days == 0

    def wishes(
        self,
        day_number: int,
        bars: Mapping[str, Bar],
        equity: Decimal,
        held: Mapping[str, Decimal],
    ) -> tuple[Wish, ...]:
        """What to trade today: sales first, then purchases, then resting orders."""
        if not self.rebalances_on(day_number) or equity <= 0:
            return ()
        targets = {
            symbol: _units(equity * self._settings.weight_ratio, bar.close)
            for symbol, bar in bars.items()
        }
        resting = []
        for symbol, bar in sorted(bars.items()):
            limit = (bar.close * (1 - self._settings.dip_discount_ratio)).quantize(
                _TICK, ROUND_HALF_EVEN
            )
            if dip := _units(equity * self._settings.dip_weight_ratio, limit):
                resting.append(Wish(symbol, Side.BUY, dip, limit))
        return (*wishes_for(targets, held), *resting)


def wishes_for(targets: Mapping[str, Decimal], held: Mapping[str, Decimal]) -> tuple[Wish, ...]:
    """What makes these the quantities that are held: sales first, as they pay for purchases."""
    sales, purchases = [], []
    for symbol, target in sorted(targets.items()):
        change = target - held.get(symbol, Decimal(0))
        if change < 0:
            sales.append(Wish(symbol, Side.SELL, -change))
        elif change > 0:
            purchases.append(Wish(symbol, Side.BUY, change))
    return (*sales, *purchases)


def share_of(quantity: Decimal, ratio: float) -> Decimal:
    """A share of a quantity in the units that it is in, never more."""
    is_whole = quantity == quantity.to_integral_value()
    unit = Decimal(1) if is_whole else Decimal(1).scaleb(int(quantity.as_tuple().exponent))
    return (quantity * Decimal(str(ratio))).quantize(unit, ROUND_DOWN)


def _units(amount: Decimal, price: Decimal) -> Decimal:
    return amount // price
