"""History as a sequence of days, and the market time each day's figures belong to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from risk_runtime.errors import NothingToReplayError
from risk_runtime.prices import PriceHistory, TradingDay

#: By then New York has closed, in summer and in winter, and the UTC date is still the same.
_CLOSE: Final = time(21, tzinfo=UTC)


def market_close(day: date) -> datetime:
    """When the figures of a trading day hold, UTC."""
    return datetime.combine(day, _CLOSE)


class Replay:
    """The days of a history from one date to another, and those before as history.

    A symbol without a price on a day is absent from that day; whoever holds it keeps its last
    mark.

    Raises:
        NothingToReplayError: there is no day between the two.
    """

    def __init__(self, prices: PriceHistory, first: date, last: date) -> None:
        self.history = prices.before(first)
        self.days = prices.between(first, last)
        if not self.days:
            asked = f"from {first} to {last}" if first <= last else f"from {first} on"
            raise NothingToReplayError(
                f"there are no prices {asked}; choose a time between "
                f"{prices.days[0].date} and {prices.days[-1].date}"
            )
        self._first = first

    def after(self, replayed_until: date | None) -> tuple[TradingDay, ...]:
        """The days still to come."""
        if replayed_until is None:
            return self.days
        return tuple(day for day in self.days if day.date > replayed_until)

    def known_on(self, replayed_until: date | None) -> tuple[TradingDay, ...]:
        """The days whose closes are known once the replay has come so far."""
        if replayed_until is None:
            return self.history
        return self.history + tuple(day for day in self.days if day.date <= replayed_until)

    @property
    def eve(self) -> date:
        """The last day before the first one."""
        return self.history[-1].date if self.history else self._first - timedelta(days=1)
