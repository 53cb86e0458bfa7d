"""What a runtime reports back to the receivers, so that it lands in the audit chain.

Every report has an id of its own: a report sent twice is recorded once. Quantities and
prices are decimal strings, because they end up in hashed bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

DecimalText = Annotated[
    str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$", max_length=40)
]


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(min_length=8, max_length=64)] = Field(
        default_factory=lambda: str(uuid4())
    )
    account: str
    at: AwareDatetime
    market_date: str = ""


class TradeBlocked(_Report):
    """The gate refused an order."""

    kind: Literal["trade_blocked"] = "trade_blocked"
    trade_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: DecimalText
    price: DecimalText
    reason: str
    gate_version: int


class OrdersCancelled(_Report):
    """Working orders were cancelled because the kill switch tripped."""

    kind: Literal["orders_cancelled"] = "orders_cancelled"
    kill_id: str
    order_ids: tuple[str, ...]
    final: bool = False


class PositionClosed(_Report):
    """One position was closed because the kill switch tripped."""

    kind: Literal["position_closed"] = "position_closed"
    kill_id: str
    position_id: str
    symbol: str
    quantity: DecimalText
    price: DecimalText


class FlatConfirmed(_Report):
    """The runtime looked again and holds nothing, with no order working."""

    kind: Literal["flat_confirmed"] = "flat_confirmed"
    kill_id: str
    positions_open: Literal[0] = 0
    orders_working: Literal[0] = 0


Report = Annotated[
    TradeBlocked | OrdersCancelled | PositionClosed | FlatConfirmed, Field(discriminator="kind")
]


class ReportBatch(BaseModel):
    """The body of ``POST /api/v1/runtime/reports``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reports: Annotated[tuple[Report, ...], Field(min_length=1, max_length=500)]
