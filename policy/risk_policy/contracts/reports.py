"""What a runtime reports back to the receivers, so that it lands in the audit chain.

Every report has an id of its own: a report sent twice is recorded once. Quantities and
prices are decimal strings, because they end up in hashed bytes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.contracts.instant import Instant

#: Integers beyond it are not the same number everywhere, so they may not stand in hashed bytes.
_MOST: Final = 2**53 - 1
_Name = Annotated[str, StringConstraints(max_length=200)]
_Text = Annotated[str, StringConstraints(max_length=2000)]
#: Longest decimal, sign and point included.
MOST_DIGITS: Final = 40
DecimalText = Annotated[
    str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$", max_length=MOST_DIGITS)
]


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(min_length=8, max_length=64)] = Field(
        default_factory=lambda: str(uuid4())
    )
    account: _Name
    at: Instant
    market_date: _Name = ""


class TradeBlocked(_Report):
    """An order was refused: by a pre-trade check, or by the gate.

    Attributes:
        gate_version: the gate's version at that moment.
        limit: the pre-trade limit that refused it; empty if it was the gate.
        value: what the order would have come to, if there is a figure.
        threshold: what that may be.
    """

    kind: Literal["trade_blocked"] = "trade_blocked"
    trade_id: _Name
    symbol: _Name
    side: Literal["buy", "sell"]
    quantity: DecimalText
    price: DecimalText
    reason: _Text
    gate_version: Annotated[int, Field(ge=0, le=_MOST)]
    limit: _Name = ""
    value: DecimalText | None = None
    threshold: DecimalText | None = None


class OrdersCancelled(_Report):
    """Working orders were cancelled because the kill switch tripped."""

    kind: Literal["orders_cancelled"] = "orders_cancelled"
    kill_id: _Name
    order_ids: Annotated[tuple[_Name, ...], Field(max_length=10_000)]
    final: bool = False


class PositionClosed(_Report):
    """One position was closed because the kill switch tripped."""

    kind: Literal["position_closed"] = "position_closed"
    kill_id: _Name
    position_id: _Name
    symbol: _Name
    quantity: DecimalText
    price: DecimalText


class FlatConfirmed(_Report):
    """The runtime looked again: within what the kill covers it holds nothing, and nothing works."""

    kind: Literal["flat_confirmed"] = "flat_confirmed"
    kill_id: _Name
    positions_open: Literal[0] = 0
    orders_working: Literal[0] = 0


Report = Annotated[
    TradeBlocked | OrdersCancelled | PositionClosed | FlatConfirmed, Field(discriminator="kind")
]


class ReportBatch(BaseModel):
    """The body of ``POST /api/v1/runtime/reports``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reports: Annotated[tuple[Report, ...], Field(min_length=1, max_length=500)]
