"""The snapshot: what a trading runtime tells the exporter about itself, at one instant.

Amounts are in the account's currency, quantities in units of the symbol (negative for a
short position). Two times are kept apart on purpose: ``taken_at`` is the wall clock and
proves freshness; ``market_time`` decides which trading day the figures belong to, and
differs from the wall clock in a replay. It may lie any time before ``taken_at``, and never after:
no market has traded yet when the snapshot of it is taken. The exporter refuses what is further
ahead than clocks may differ.

Only ``account``, ``equity``, ``cash``, ``positions`` and ``taken_at`` have to be told. What else
is told is watched; what is left out has no figure, and never one that looks safe. What an account
has told once, it should go on telling: a figure of the account that stops coming is taken for a
limit that nobody can evaluate any more, and raises an alert.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field, StrictBool, model_validator

from risk_policy.clock import utc_now
from risk_policy.contracts.gating import ToldGating
from risk_policy.contracts.instant import Instant
from risk_policy.contracts.snapshot_parts import (
    Amount,
    Budget,
    Budgets,
    Event,
    EventKind,
    Identifier,
    Latencies,
    Market,
    Markets,
    Name,
    Part,
    Position,
    Size,
    Strategies,
    Strategy,
    Venue,
    VenueLatency,
    Venues,
)

#: Beyond it a count is none that the float of a metric could hold: larger ones break the scrape.
MOST_COUNTED: Final = 2**53


class Snapshot(Part):
    """The whole book at one instant.

    Attributes:
        account: which account the figures belong to.
        currency: ISO 4217 code, or the ticker of the quote asset.
        equity: cash plus the market value of every position, open profit included.
        cash: what is not invested.
        positions: the open positions, each symbol at most once; empty says that there are none, and
            has to be said: a book that was left out would look like one that is flat.
        taken_at: wall clock, UTC.
        market_time: the time the figures belong to, UTC, not after ``taken_at``; ``taken_at``
            unless given.
        reports_stops: whether the runtime tells every stop, so that a position without one is
            without one. Say so always or never: the time without a stop counts from the first
            snapshot that says so.
        leverage: times equity, as the venue counts it; gross exposure over equity unless given.
        margin_used: the margin that open positions use, in the account's currency, as the venue
            counts it.
        consecutive_losses: closed trades in a row that lost money, up to now.
        strategies: exposure, limit and edge by strategy, each at most once.
        venues: exposure and limit by venue, each at most once.
        budgets: what data and API calls may cost, each budget at most once.
        markets: spread and volatility by symbol, held or not, each at most once.
        latencies: how long data, signals and orders take.
        events: stops and take-profits that were hit lately. One that is told again is the same;
            the latest of a kind and symbol is shown until it is a day old.
        gating: what stands between the runtime and a live order. It is shown and kept, and opens
            nothing.
    """

    account: Identifier
    currency: Identifier = "USD"
    equity: Amount
    cash: Amount
    positions: tuple[Position, ...]
    taken_at: Instant
    market_time: Instant
    reports_stops: StrictBool = False
    leverage: Size | None = None
    margin_used: Size | None = None
    consecutive_losses: Annotated[int, Field(ge=0, le=MOST_COUNTED)] | None = None
    strategies: Strategies = ()
    venues: Venues = ()
    budgets: Budgets = ()
    markets: Markets = ()
    latencies: Latencies = Latencies()
    events: tuple[Event, ...] = ()
    gating: ToldGating | None = None

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


# With the clock, so that whoever makes snapshots needs one import.
__all__ = [
    "MOST_COUNTED",
    "Amount",
    "Budget",
    "Event",
    "EventKind",
    "Identifier",
    "Latencies",
    "Market",
    "Name",
    "Position",
    "Snapshot",
    "Strategy",
    "ToldGating",
    "Venue",
    "VenueLatency",
    "utc_day",
    "utc_now",
]
