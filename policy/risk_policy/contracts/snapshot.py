"""The snapshot: what a trading runtime tells the exporter about itself, at one instant.

Amounts are in the account's currency, quantities in units of the symbol (negative for a
short position). Two times are kept apart on purpose: ``taken_at`` is the wall clock and
proves freshness; ``market_time`` decides which trading day the figures belong to, and
differs from the wall clock in a replay. It may lie any time before ``taken_at``, and never after:
no market has traded yet when the snapshot of it is taken. The exporter refuses what is further
ahead than clocks may differ.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

#: Identity values become label values and parts of a risk_id, so "/" and blanks are out.
Identifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,63}$", strict=True)
]
#: Base assets and sectors may carry any readable name, but no separator of a risk_id.
Name = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,64}$", strict=True)]
Amount = Annotated[float, Field(allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Position(_Frozen):
    """One open position.

    Attributes:
        symbol: what is traded, e.g. ``BTC-EUR`` or ``AAPL``; ``/`` is not allowed.
        quantity: signed units held, negative for a short position.
        mark: current price of one unit, > 0.
        average_price: price paid on average for one unit, > 0.
        asset: the asset that concentration is counted on; the symbol unless given.
        sector: the sector of the asset.
        max_notional: largest notional this position may reach; the policy's default unless given.
    """

    symbol: Identifier
    quantity: Amount
    mark: Annotated[float, Field(gt=0)]
    average_price: Annotated[float, Field(gt=0)]
    asset: Name = ""
    sector: Name = "unknown"
    max_notional: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _asset_is_the_symbol_unless_given(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("asset"):
            return {**data, "asset": data.get("symbol", "")}
        return data

    @property
    def notional(self) -> float:
        """Signed market value in the account's currency."""
        return self.quantity * self.mark


class Snapshot(_Frozen):
    """The whole book at one instant.

    Attributes:
        account: which account the figures belong to.
        currency: ISO 4217 code, or the ticker of the quote asset.
        equity: cash plus the market value of every position, open profit included.
        cash: what is not invested.
        positions: the open positions, each symbol at most once.
        taken_at: wall clock, UTC.
        market_time: the time the figures belong to, UTC, not after ``taken_at``; ``taken_at``
            unless given.
    """

    account: Identifier
    currency: Identifier = "USD"
    equity: Amount
    cash: Amount
    positions: tuple[Position, ...] = ()
    taken_at: AwareDatetime
    market_time: AwareDatetime

    @model_validator(mode="before")
    @classmethod
    def _market_time_is_now_unless_given(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("market_time") is None:
            return {**data, "market_time": data.get("taken_at")}
        return data

    @model_validator(mode="after")
    def _symbols_are_unique(self) -> Snapshot:
        seen: set[str] = set()
        for position in self.positions:
            if position.symbol in seen:
                raise ValueError(
                    f"symbol {position.symbol!r} appears twice; report one net position per symbol"
                )
            seen.add(position.symbol)
        return self

    @property
    def trading_day(self) -> str:
        """The UTC date of ``market_time``, ISO 8601."""
        return utc_day(self.market_time)


def utc_day(instant: datetime) -> str:
    """The UTC date of an instant, ISO 8601."""
    return instant.astimezone(UTC).date().isoformat()


def utc_now() -> datetime:
    """The wall clock, UTC."""
    return datetime.now(UTC)
