"""What a snapshot is made of besides the account's own figures.

Everything a runtime need not tell is optional here: what it leaves out is not measured, and no
figure is made up for it. Amounts are in the account's currency, times of latencies in seconds,
ratios are plain numbers (0.01 is one percent). Where a name is told twice, the snapshot is
refused: two figures of one name would be two truths.
"""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from risk_policy.contracts.instant import Instant

#: Identity values become label values and parts of a risk_id, so "/" and blanks are out.
Identifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,63}$", strict=True)
]
#: Base assets and sectors may carry any readable name, but no separator of a risk_id.
Name = Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,64}$", strict=True)]
Amount = Annotated[float, Field(allow_inf_nan=False)]
#: Never negative; zero has a meaning.
Size = Annotated[float, Field(ge=0)]
Price = Annotated[float, Field(gt=0)]


class Part(BaseModel):
    """Frozen, without unknown fields, without NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Position(Part):
    """One open position.

    Attributes:
        symbol: what is traded, e.g. ``BTC-EUR`` or ``AAPL``; ``/`` is not allowed.
        quantity: signed units held, negative for a short position.
        mark: current price of one unit, > 0.
        average_price: price paid on average for one unit, > 0.
        asset: the asset that concentration is counted on; the symbol unless given.
        sector: the sector of the asset.
        max_notional: largest notional this position may reach; the policy's default unless given.
        stop: price at which a stop closes all of it, > 0. Without one it has none, or the runtime
            does not tell; ``Snapshot.reports_stops`` says which.
        held_periods: trading periods (of the strategy: bars, days) for which it has been held.
        atr_ratio: average true range of the symbol now, divided by that at entry.
    """

    symbol: Identifier
    quantity: Amount
    mark: Price
    average_price: Price
    asset: Name = ""
    sector: Name = "unknown"
    max_notional: Price | None = None
    stop: Price | None = None
    held_periods: Size | None = None
    atr_ratio: Size | None = None

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


class _Capped(Part):
    """Something with an exposure of its own, and a limit to it.

    Attributes:
        name: which one; becomes a label.
        exposure: what it holds, in the account's currency; the sign does not matter.
        limit: how much that may be, >= 0; with 0 any exposure is beyond it.
    """

    name: Identifier
    exposure: Amount | None = None
    limit: Size | None = None

    @model_validator(mode="after")
    def _exposure_and_limit_belong_together(self) -> _Capped:
        if (self.exposure is None) != (self.limit is None):
            lacking = "exposure" if self.exposure is None else "limit"
            raise ValueError(f"{self.name!r} has no {lacking}; give exposure and limit, or neither")
        return self


class Strategy(_Capped):
    """One strategy.

    Attributes:
        name: which one; becomes a label.
        exposure: what it holds, in the account's currency; the sign does not matter.
        limit: how much that may be, >= 0.
        edge: expected profit of its latest trade after fees, slippage and impact, divided by the
            trade's notional; negative for an expected loss.
    """

    edge: Amount | None = None


class Venue(_Capped):
    """One exchange, broker or wallet.

    Attributes:
        name: which one; becomes a label.
        exposure: what is held there, in the account's currency; the sign does not matter.
        limit: how much that may be, >= 0; with 0 any exposure is beyond it.
    """


class Budget(Part):
    """What data or API calls may cost in a period.

    Attributes:
        name: which budget; becomes a label.
        spent: so much of it is used up, in any unit.
        limit: all of it, in the same unit, >= 0.
    """

    name: Identifier
    spent: Size
    limit: Size


class Market(Part):
    """What the market of one symbol looks like, held or not.

    Attributes:
        symbol: which one, written as in the positions.
        spread_ratio: ask minus bid, divided by the mid price.
        atr_baseline_ratio: average true range now, divided by its long-term baseline.
    """

    symbol: Identifier
    spread_ratio: Size | None = None
    atr_baseline_ratio: Size | None = None


class VenueLatency(Part):
    """How fast one venue is, in seconds.

    Attributes:
        name: which venue; becomes a label.
        websocket_lag_seconds: age of its latest market data on arrival; negative while its clock
            is ahead.
        order_placement_seconds: from sending the latest order to the venue's confirmation.
        order_fill_seconds: from sending the latest filled order to its fill.
    """

    name: Identifier
    websocket_lag_seconds: Amount | None = None
    order_placement_seconds: Size | None = None
    order_fill_seconds: Size | None = None


class EventKind(StrEnum):
    """What may have happened to a position."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


class Event(Part):
    """Something that happened, told once or as often as one likes.

    Attributes:
        kind: ``stop_loss`` or ``take_profit``: what closed the position.
        symbol: of which position.
        at: when, by the wall clock, also in a replay; not after ``taken_at``.
    """

    kind: EventKind
    symbol: Identifier
    at: Instant


def _once(what: str) -> AfterValidator:
    """Refuses a list in which two entries have the same ``what``."""
    name_of = attrgetter(what)

    def check(items: tuple[Part, ...]) -> tuple[Part, ...]:
        names = [name_of(item) for item in items]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{what} {twice!r} appears twice; report each once")
        return items

    return AfterValidator(check)


Strategies = Annotated[tuple[Strategy, ...], _once("name")]
Venues = Annotated[tuple[Venue, ...], _once("name")]
Budgets = Annotated[tuple[Budget, ...], _once("name")]
Markets = Annotated[tuple[Market, ...], _once("symbol")]


class Latencies(Part):
    """How long things take, in seconds.

    Attributes:
        inference_p95_seconds: 95th percentile of the time to compute a signal.
        inference_p99_seconds: 99th percentile of the same.
        venues: what belongs to one venue, each at most once.
    """

    inference_p95_seconds: Size | None = None
    inference_p99_seconds: Size | None = None
    venues: Annotated[tuple[VenueLatency, ...], _once("name")] = ()
