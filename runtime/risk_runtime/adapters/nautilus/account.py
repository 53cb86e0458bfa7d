"""The nautilus account as the risk layer sees it: prices, equity, net positions, working orders.

Invariant: everything is read from nautilus's cache when it is asked for, and a figure that cannot
be told (no price, no exchange rate) is no number: what depends on it is then refused or left out,
never guessed. Amounts are in the account's currency.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nautilus_trader.accounting.accounts.margin import MarginAccount
from nautilus_trader.model.enums import PriceType
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.instruments import CurrencyPair

from risk_policy.contracts.scope import Scope

_NS: Final = 1_000_000_000
_NO_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9._:@+=-]")


def symbol_of(instrument_id: InstrumentId) -> str:
    """An instrument as snapshots, alerts and the policy name it: ``AAPL.XNAS``, ``EUR-USD.SIM``."""
    return _NO_IDENTIFIER.sub("-", str(instrument_id)).lstrip("-._:@+=")[:64]


@dataclass(frozen=True, slots=True)
class Price:
    """The latest price of an instrument in its own currency, and when it was seen (seconds)."""

    value: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class Mark:
    """What one unit of an instrument is worth, in the account's currency; NaN if nobody can tell.

    Attributes:
        value: of one unit.
        unit: what turns a price of the instrument into such a value.
        seen_at: when the price was seen, seconds; 0 without one.
        price: in the instrument's currency.
    """

    value: float
    unit: float
    seen_at: float
    price: float | None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What does not change of an instrument."""

    symbol: str
    sector: str
    multiplier: float
    currency: Any
    is_held_as_cash: bool


@dataclass(slots=True)
class Net:
    """All open positions in one instrument as one."""

    instrument_id: InstrumentId
    quantity: float = 0.0
    cost: float = 0.0

    def add(self, quantity: float, price: float) -> None:
        """Take one position in; the cost is that of what is held together."""
        self.quantity += quantity
        self.cost += quantity * price

    @property
    def average_price(self) -> float | None:
        """What one unit was paid for; None where positions of both sides leave no such price."""
        price = self.cost / self.quantity if self.quantity else math.nan
        return price if 0 < price < math.inf else None


@dataclass(slots=True)
class NautilusAccount:
    """Looks into a cache.

    Args:
        cache: the kernel's.
        currency: of the amounts, nautilus's.
        name: as snapshots, alerts and reports call the account.
        sectors: sector by symbol, with its venue or without.
        passed: orders that were let through and that the cache does not call working yet.
    """

    cache: Any
    currency: Any
    name: str = "main"
    sectors: Mapping[str, str] = field(default_factory=dict)
    passed: dict[ClientOrderId, Any] = field(default_factory=dict)
    _kinds: dict[InstrumentId, _Kind] = field(default_factory=dict)
    _subjects: dict[tuple[Any, Any], Scope] = field(default_factory=dict)
    _marks: dict[InstrumentId, Mark] = field(default_factory=dict)
    _rates: dict[tuple[Any, Any], float] = field(default_factory=dict)

    def look_afresh(self) -> None:
        """Read prices again. Between two of these, each is read once."""
        self._marks.clear()
        self._rates.clear()

    def subject(self, one: Any) -> Scope:
        """What an order or a position belongs to, as the gate's scopes name it."""
        key = one.instrument_id, one.strategy_id
        found = self._subjects.get(key)
        if found is None:
            symbol = self.symbol(one.instrument_id)
            found = self._subjects[key] = Scope(
                account=self.name,
                strategy=str(one.strategy_id),
                venue=str(one.instrument_id.venue),
                sector=self.sector(one.instrument_id),
                asset=symbol,
                symbol=symbol,
            )
        return found

    def symbol(self, instrument_id: InstrumentId) -> str:
        """An instrument's name."""
        return self._kind(instrument_id).symbol

    def sector(self, instrument_id: InstrumentId) -> str:
        """The sector of an instrument."""
        return self._kind(instrument_id).sector

    def price(self, instrument_id: InstrumentId) -> Price | None:
        """The latest of quote, trade and bars."""
        found: list[Price] = []
        if quote := self.cache.quote_tick(instrument_id):
            middle = (float(quote.bid_price) + float(quote.ask_price)) / 2
            found.append(Price(middle, quote.ts_event / _NS))
        if trade := self.cache.trade_tick(instrument_id):
            found.append(Price(float(trade.price), trade.ts_event / _NS))
        bars = map(self.cache.bar, self.cache.bar_types(instrument_id=instrument_id))
        found += [Price(float(bar.close), bar.ts_event / _NS) for bar in bars if bar]
        return max(found, key=lambda price: price.seen_at, default=None)

    def mark(self, instrument_id: InstrumentId) -> Mark:
        """What one unit is worth now."""
        found = self._marks.get(instrument_id)
        if found is None:
            kind = self._kind(instrument_id)
            unit = kind.multiplier
            if kind.currency != self.currency:
                unit *= self.rate(instrument_id.venue, kind.currency)
            price = self.price(instrument_id)
            found = Mark(math.nan, unit, 0.0, None)
            if price is not None:
                found = Mark(price.value * unit, unit, price.seen_at, price.value)
            self._marks[instrument_id] = found
        return found

    def rate(self, venue: Any, currency: Any) -> float:
        """What one unit of a currency is worth; NaN if there is no rate."""
        if currency == self.currency:
            return 1.0
        found = self._rates.get((venue, currency))
        if found is None:
            quoted = self.cache.get_xrate(venue, currency, self.currency, PriceType.MID)
            found = float(quoted) if quoted else self._traded_rate(venue, currency)
            self._rates[venue, currency] = found
        return found

    def _traded_rate(self, venue: Any, currency: Any) -> float:
        """The price of a pair, where nautilus has no quotes of it."""
        for pair in self.cache.instruments(venue=venue):
            if isinstance(pair, CurrencyPair) and (price := self.price(pair.id)):
                if (pair.base_currency, pair.quote_currency) == (currency, self.currency):
                    return price.value
                if (pair.quote_currency, pair.base_currency) == (currency, self.currency):
                    return 1 / price.value
        return math.nan

    def _kind(self, instrument_id: InstrumentId) -> _Kind:
        found = self._kinds.get(instrument_id)
        if found is None:
            symbol = symbol_of(instrument_id)
            without_venue = symbol.rpartition(".")[0]
            sector = self.sectors.get(symbol) or self.sectors.get(without_venue) or "unknown"
            instrument = self.cache.instrument(instrument_id)
            if instrument is None:  # may come later, so it is not kept
                return _Kind(symbol, sector, math.nan, self.currency, is_held_as_cash=False)
            found = self._kinds[instrument_id] = _Kind(
                symbol,
                sector,
                math.nan if instrument.is_inverse else float(instrument.multiplier),
                instrument.quote_currency,
                is_held_as_cash=isinstance(instrument, CurrencyPair),
            )
        return found

    def nets(self) -> dict[InstrumentId, Net]:
        """What is held, one line per instrument, as the venue nets it."""
        found: dict[InstrumentId, Net] = {}
        for position in self.cache.positions_open():
            net = found.setdefault(position.instrument_id, Net(position.instrument_id))
            unit = self.mark(position.instrument_id).unit
            net.add(float(position.signed_qty), float(position.avg_px_open) * unit)
        return {key: net for key, net in found.items() if net.quantity}

    def held(self, instrument_id: InstrumentId) -> float:
        """Signed units held of one instrument."""
        positions = self.cache.positions_open(instrument_id=instrument_id)
        return float(math.fsum(float(position.signed_qty) for position in positions))

    def working(self) -> list[Any]:
        """Every order that may still be filled at a venue, those on their way there included."""
        orders = {one.client_order_id: one for one in self.cache.orders_open()}
        orders.update((one.client_order_id, one) for one in self.cache.orders_inflight())
        for order_id, order in list(self.passed.items()):
            if order.is_closed or order.is_open or order.is_inflight:
                del self.passed[order_id]
            else:
                orders[order_id] = order
        return list(orders.values())

    def cash(self) -> float:
        """What is not invested, in whichever currency."""
        total = 0.0
        for account in self.cache.accounts():
            for currency, balance in account.balances_total().items():
                if amount := float(balance):
                    total += amount * self._worth(account, currency)
        margin = self._margin_accounts()
        for position in self.cache.positions_open():
            # Coins in a cash account are a balance as well; here they are what is held.
            is_balance = self._kind(position.instrument_id).is_held_as_cash
            if is_balance and str(position.account_id) not in margin:
                total -= float(position.signed_qty) * self.mark(position.instrument_id).value
        return total

    def equity(self) -> float:
        """Everything as if it were sold now; NaN if something has no price."""
        total = self.cash()
        margin = self._margin_accounts()
        for position in self.cache.positions_open():
            mark = self.mark(position.instrument_id)
            quantity = float(position.signed_qty)
            if margin and str(position.account_id) in margin:
                total += quantity * (mark.value - float(position.avg_px_open) * mark.unit)
            else:
                total += quantity * mark.value
        return total

    def margin_used(self) -> float | None:
        """Margin of open positions; None where no account is on margin."""
        accounts = [one for one in self.cache.accounts() if isinstance(one, MarginAccount)]
        if not accounts:
            return None
        used = 0.0
        for account in accounts:
            for instrument_id, money in account.margins_maint().items():
                used += float(money) * self.rate(instrument_id.venue, money.currency)
        return used if math.isfinite(used) else None

    def _margin_accounts(self) -> set[str]:
        return {str(one.id) for one in self.cache.accounts() if isinstance(one, MarginAccount)}

    def _worth(self, account: Any, currency: Any) -> float:
        if currency == self.currency:
            return 1.0
        issuer = str(account.id).partition("-")[0]
        for venue in {one.id.venue for one in self.cache.instruments()}:
            if str(venue) == issuer:
                return self.rate(venue, currency)
        return math.nan
