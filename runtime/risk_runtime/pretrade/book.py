"""The book as the checks see it: what is held, and what working orders may still do to it.

Invariant: every order counts as filled as soon as that makes things worse, and never if it would
make them better. What a symbol may come to is the larger of all purchases filled and no sale, and
the other way round. An order that passed is added here at once, so that the next one is judged
beside it. A book that was taken before an order passed by another one learns of it at its first
use; one that was taken after that is believed to hold it.

Amounts are in the account's currency, times are seconds of the clock that the checks use.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from risk_runtime.order import Side
from risk_runtime.pretrade.order import TradeOrder


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol that may be traded, held or not.

    Attributes:
        symbol: what is traded, as in the snapshot.
        mark: current price of one unit; None, or NaN, if there is none.
        priced_at: when that price was seen.
        quantity: signed units held.
        average_price: price paid on average for one unit held; the current one unless given.
        buying: units of working purchases, never negative.
        selling: units of working sales, never negative either.
        asset: the asset that concentration is counted on; the symbol unless given.
        sector: the sector of the asset.
        max_notional: largest notional the position may reach; the policy's unless given.
    """

    symbol: str
    mark: float | None
    priced_at: float
    quantity: float = 0.0
    average_price: float | None = None
    buying: float = 0.0
    selling: float = 0.0
    asset: str = ""
    sector: str = "unknown"
    max_notional: float | None = None


class Group:
    """What is held and ordered in one asset or sector."""

    __slots__ = ("amount",)

    def __init__(self) -> None:
        self.amount = 0.0


class Line:
    """One symbol: how far it may go either way, and what it is part of.

    ``most`` and ``least`` are the signed units after all working purchases, or all working sales;
    ``paid`` and ``got`` are what those units have cost then, or brought, if they are any.
    """

    __slots__ = (
        "amount", "asset", "got", "least", "mark", "max_notional", "most", "paid", "priced_at",
        "sector",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, asset: Group, sector: Group) -> None:
        self.mark = math.nan if instrument.mark is None else instrument.mark
        self.priced_at = instrument.priced_at
        quantity, buying, selling = instrument.quantity, instrument.buying, instrument.selling
        if not (0.0 <= buying < math.inf and 0.0 <= selling < math.inf):
            quantity = math.nan  # no such orders: what would be left to reduce is unknown
        self.most = quantity + buying
        self.least = quantity - selling
        average, mark = instrument.average_price, self.mark
        if average is None:
            average = mark
        # What working orders will pay is not known; whichever is worse.
        self.paid = _cost(quantity, self.most, average, max(average, mark), mark)
        self.got = _cost(-quantity, -self.least, average, min(average, mark), mark)
        self.max_notional = instrument.max_notional
        self.amount = self.worst_amount()
        self.asset = asset
        self.sector = sector

    def worst_amount(self) -> float:
        """The largest notional this may come to; no number if a figure of it is none."""
        most, least, mark = self.most, self.least, self.mark
        if most == 0.0 == least:
            return 0.0
        if not (math.isfinite(most - least) and 0.0 < mark < math.inf):
            return math.nan
        return max(most, -least) * mark


def _cost(held: float, all_of_it: float, average: float, adding: float, opening: float) -> float:
    """What a long or a short position has cost or brought, none of which may be held yet."""
    if not all_of_it > 0.0:
        return 0.0
    return held * average + (all_of_it - held) * adding if held > 0.0 else all_of_it * opening


class Book:
    """One account at one instant. Make a new one whenever fills or prices come in.

    A figure that is no number makes the sums it is part of no number either, and then nothing
    that adds risk passes there.

    Args:
        account: whose book it is.
        equity: cash plus the market value of every position.
        instruments: every symbol that may be traded, each once, with everything that was
            accepted before this book was taken.
        taken_at: when the figures were true.
        max_exposure: what may be held and ordered together; the policy's unless given.

    Raises:
        ValueError: a symbol appears twice.
    """

    __slots__ = (
        "account", "equity", "gross", "largest_asset", "largest_line", "largest_sector", "lines",
        "max_exposure", "taken_at", "told",
    )  # fmt: skip

    def __init__(
        self,
        account: str,
        *,
        equity: float,
        instruments: Iterable[Instrument],
        taken_at: float,
        max_exposure: float | None = None,
    ) -> None:
        self.account = account
        self.equity = equity
        self.taken_at = taken_at
        self.max_exposure = max_exposure
        self.gross = 0.0
        #: The largest amounts of those whose limit is a share of equity.
        self.largest_line = self.largest_asset = self.largest_sector = 0.0
        #: How many of the checker's orders are counted here, or are known to be no news.
        self.told = 0
        self.lines: dict[str, Line] = {}
        assets: dict[str, Group] = {}
        sectors: dict[str, Group] = {}
        for instrument in instruments:
            if instrument.symbol in self.lines:
                raise ValueError(f"symbol {instrument.symbol!r} appears twice in the book")
            asset = assets.setdefault(instrument.asset or instrument.symbol, Group())
            sector = sectors.setdefault(instrument.sector, Group())
            line = Line(instrument, asset, sector)
            self.lines[instrument.symbol] = line
            asset.amount += line.amount
            sector.amount += line.amount
            self.gross += line.amount
        for line in self.lines.values():
            self.grew(line)

    def grew(self, line: Line) -> None:
        """Know the largest amounts after one that is larger now. What is no number is none."""
        if line.max_notional is None and line.amount > self.largest_line:
            self.largest_line = line.amount
        if line.asset.amount > self.largest_asset:
            self.largest_asset = line.asset.amount
        if line.sector.amount > self.largest_sector:
            self.largest_sector = line.sector.amount

    def count(self, order: TradeOrder) -> None:
        """Count an order that passed, as filled if that makes things worse."""
        line = self.lines.get(order.symbol)
        if line is None:
            self.gross = math.nan  # what is held together cannot be told any more
            return
        if order.side is Side.BUY:
            before = line.most
            line.most = after = before + order.quantity
        else:
            before, line.least = -line.least, line.least - order.quantity
            after = -line.least
        if after <= 0.0:
            return  # it only reduces, and nothing is smaller before it is filled
        cost = (order.quantity if before >= 0.0 else after) * order.price
        if order.side is Side.BUY:
            line.paid += cost
            worse = order.price - line.mark
        else:
            line.got += cost
            worse = line.mark - order.price
        amount = line.worst_amount()
        grown = amount - line.amount
        line.amount = amount
        line.asset.amount += grown
        line.sector.amount += grown
        self.gross += grown
        self.grew(line)
        if not worse <= 0.0:
            self.equity -= order.quantity * worse
