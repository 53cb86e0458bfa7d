"""What a pre-trade check answers, and the names of what it can refuse an order for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PreTradeLimit(StrEnum):
    """Why an order is refused; also the value of the label ``limit`` of the counter."""

    # -- what cannot be judged, or makes no sense
    FIGURES = "figures"
    QUANTITY = "quantity"
    SIDE = "side"
    REDUCE_ONLY = "reduce_only"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    EQUITY = "equity"
    BOOK_AGE = "book_age"
    MARKET_PRICE = "market_price"
    PRICE_AGE = "price_age"
    PRICE = "price"
    # -- what is not wanted
    DISABLED_SYMBOL = "disabled_symbol"
    PRICE_COLLAR = "price_collar"
    RESTING_COLLAR = "resting_collar"
    ORDER_SIZE = "order_size"
    POSITION_SIZE = "position_size"
    ASSET_CONCENTRATION = "asset_concentration"
    SECTOR_CONCENTRATION = "sector_concentration"
    EXPOSURE = "exposure"
    STOP = "stop"
    RISK_PER_TRADE = "risk_per_trade"
    POSITION_RISK = "position_risk"
    EDGE = "edge"
    ORDER_RATE = "order_rate"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class PreTradeDecision:
    """The answer to one order.

    Attributes:
        allowed: whether it may go on to the gate.
        reason: why, in a sentence for people and for the record.
        limit: what refused it; None if it is allowed.
        value: what the order would come to; None if it is allowed. Ratios are of 1, amounts in
            the account's currency, times in seconds, NaN where there is no figure.
        threshold: what that may be, in the same unit.
    """

    allowed: bool
    reason: str
    limit: PreTradeLimit | None = None
    value: float | None = None
    threshold: float | None = None


WITHIN = PreTradeDecision(allowed=True, reason="it is within all limits")
REDUCES = PreTradeDecision(allowed=True, reason="it only reduces risk")


def refused(
    limit: PreTradeLimit, value: float, threshold: float, sentence: str
) -> PreTradeDecision:
    """A refusal."""
    return PreTradeDecision(
        allowed=False, reason=sentence, limit=limit, value=value, threshold=threshold
    )
