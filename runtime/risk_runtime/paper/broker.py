"""The paper broker: cash, positions, resting limit orders. No I/O, no clock, no randomness.

Invariants:

* cash plus what the positions cost equals the starting cash plus realised profit, to the cent
  and beyond: amounts are decimals and every fill moves both sides at once;
* a reduce-only order never flips a position and never opens one: at its fill it is cut down to
  what is held then, or refused;
* REDUCING takes reduce-only orders alone; HALTED takes none at all. Cancelling always works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from risk_runtime.errors import OrderRefusedError
from risk_runtime.order import Side
from risk_runtime.prices import Bar

ZERO: Final = Decimal(0)


class TradingMode(StrEnum):
    """Which orders the broker takes."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Holding:
    """One open position.

    Attributes:
        symbol: what is held.
        quantity: signed units, never zero.
        cost: what the units were paid for, signed like the quantity.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal

    @property
    def average_price(self) -> Decimal:
        """Price paid on average for one unit."""
        return self.cost / self.quantity


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """A limit order that rests until it fills or is cancelled.

    Attributes:
        full_quantity: what it would have been had the gate not asked for smaller ones.
    """

    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    limit: Decimal
    reduce_only: bool = False
    full_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """An execution."""

    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """Log entry: the broker takes other orders from now on."""

    mode: TradingMode


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """Log entry: a limit order rests."""

    order: WorkingOrder


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """Log entry: a resting order is gone without a fill."""

    order_id: str


BrokerEvent = ModeChanged | OrderPlaced | OrderCancelled | Fill


@dataclass(frozen=True, slots=True)
class BrokerState:
    """All there is to know about an account; a broker can be built from it.

    Attributes:
        losses_in_row: closing fills in a row, up to now, that lost money.
    """

    cash: Decimal
    realised: Decimal = ZERO
    holdings: tuple[Holding, ...] = ()
    working: tuple[WorkingOrder, ...] = ()
    marks: tuple[tuple[str, Decimal], ...] = ()
    mode: TradingMode = TradingMode.ACTIVE
    orders_numbered: int = 0
    losses_in_row: int = 0


class PaperBroker:
    """One account. ``log`` holds what happened since it was built, in order."""

    def __init__(self, state: BrokerState) -> None:
        self._cash = state.cash
        self._realised = state.realised
        self._holdings = {holding.symbol: holding for holding in state.holdings}
        self._working = {order.order_id: order for order in state.working}
        self._marks = dict(state.marks)
        self._mode = state.mode
        self._orders_numbered = state.orders_numbered
        self._losses_in_row = state.losses_in_row
        self.log: list[BrokerEvent] = []

    # -- looking -----------------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        """What is not invested."""
        return self._cash

    @property
    def realised(self) -> Decimal:
        """Profit of everything that was closed."""
        return self._realised

    @property
    def losses_in_row(self) -> int:
        """Closed trades in a row that lost money.

        A trade is closed by a fill that takes units of a position away, be it all or some: its
        profit is realised then. One that neither gains nor loses leaves the count alone.
        """
        return self._losses_in_row

    @property
    def mode(self) -> TradingMode:
        """Which orders are taken."""
        return self._mode

    @property
    def holdings(self) -> Mapping[str, Holding]:
        """Open positions by symbol."""
        return dict(sorted(self._holdings.items()))

    @property
    def working(self) -> tuple[WorkingOrder, ...]:
        """Resting orders, oldest first."""
        return tuple(self._working.values())

    @property
    def equity(self) -> Decimal:
        """Cash plus the market value of every position."""
        return self._cash + sum(
            (holding.quantity * self.mark(symbol) for symbol, holding in self._holdings.items()),
            start=ZERO,
        )

    def mark(self, symbol: str) -> Decimal:
        """The last price of a symbol. Raises OrderRefusedError if there is none yet."""
        try:
            return self._marks[symbol]
        except KeyError:
            raise OrderRefusedError(f"{symbol} has no price yet; mark it first") from None

    def quantity(self, symbol: str) -> Decimal:
        """Signed units held of a symbol, 0 if none."""
        holding = self._holdings.get(symbol)
        return ZERO if holding is None else holding.quantity

    def state(self) -> BrokerState:
        """A copy of everything, to be stored."""
        return BrokerState(
            cash=self._cash,
            realised=self._realised,
            holdings=tuple(self.holdings.values()),
            working=self.working,
            marks=tuple(sorted(self._marks.items())),
            mode=self._mode,
            orders_numbered=self._orders_numbered,
            losses_in_row=self._losses_in_row,
        )

    # -- acting ------------------------------------------------------------------------------

    def set_mode(self, mode: TradingMode) -> None:
        """Take other orders from now on."""
        if mode is not self._mode:
            self._mode = mode
            self.log.append(ModeChanged(mode))

    def set_mark(self, symbol: str, price: Decimal) -> None:
        """Note the current price of a symbol."""
        self._marks[symbol] = price

    def place_limit(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        limit: Decimal,
        *,
        reduce_only: bool = False,
        full_quantity: Decimal | None = None,
    ) -> WorkingOrder:
        """Rest a limit order. Raises OrderRefusedError."""
        self._refuse_unless_taken(symbol, quantity, reduce_only=reduce_only)
        order = WorkingOrder(
            self._next_id(), symbol, side, quantity, limit, reduce_only, full_quantity
        )
        self._working[order.order_id] = order
        self.log.append(OrderPlaced(order))
        return order

    def market(
        self, symbol: str, side: Side, quantity: Decimal, *, reduce_only: bool = False
    ) -> Fill:
        """Fill at the current price. Raises OrderRefusedError."""
        self._refuse_unless_taken(symbol, quantity, reduce_only=reduce_only)
        price = self.mark(symbol)
        if reduce_only:
            quantity = min(quantity, self._reducible(symbol, side))
            if quantity <= 0:
                raise OrderRefusedError(
                    f"reduce-only {side} of {symbol}: there is nothing on that side to reduce"
                )
        return self._fill(Fill(self._next_id(), symbol, side, quantity, price))

    def due(self, bar: Bar) -> tuple[WorkingOrder, ...]:
        """The resting orders that this day's prices reach, oldest first."""
        return tuple(
            order
            for order in self._working.values()
            if order.symbol == bar.symbol
            and (bar.low <= order.limit if order.side is Side.BUY else bar.high >= order.limit)
        )

    def execute(self, order_id: str, bar: Bar) -> Fill | None:
        """Fill a resting order at its limit, or at the open if that was better.

        Returns:
            The fill; None if the order was reduce-only, or had to be by now, and nothing was
            left to reduce: it is cancelled then.
        """
        order = self._working.pop(order_id)
        quantity = order.quantity
        if order.reduce_only or self._mode is not TradingMode.ACTIVE:
            quantity = min(quantity, self._reducible(order.symbol, order.side))
        if quantity <= 0 or self._mode is TradingMode.HALTED:
            self.log.append(OrderCancelled(order_id))
            return None
        better = min if order.side is Side.BUY else max
        price = better(order.limit, bar.open)
        return self._fill(Fill(order_id, order.symbol, order.side, quantity, price))

    def cancel(self, order_id: str) -> bool:
        """Withdraw a resting order; False if it does not rest any more."""
        if self._working.pop(order_id, None) is None:
            return False
        self.log.append(OrderCancelled(order_id))
        return True

    # -- inside ------------------------------------------------------------------------------

    def _next_id(self) -> str:
        self._orders_numbered += 1
        return f"paper-{self._orders_numbered:06d}"

    def _refuse_unless_taken(self, symbol: str, quantity: Decimal, *, reduce_only: bool) -> None:
        if not (quantity.is_finite() and quantity > 0):
            raise OrderRefusedError(f"quantity of {symbol} is {quantity}; it must be positive")
        if self._mode is TradingMode.HALTED:
            raise OrderRefusedError(f"{symbol}: trading is halted, no order is taken")
        if self._mode is TradingMode.REDUCING and not reduce_only:
            raise OrderRefusedError(f"{symbol}: only reduce-only orders are taken now")

    def _reducible(self, symbol: str, side: Side) -> Decimal:
        """How many units an order of this side could take away without flipping."""
        return max(-side.sign * self.quantity(symbol), ZERO)

    def _fill(self, fill: Fill) -> Fill:
        held = self._holdings.get(fill.symbol, Holding(fill.symbol, ZERO, ZERO))
        closing = min(fill.quantity, self._reducible(fill.symbol, fill.side))
        opening = fill.quantity - closing
        sign = fill.side.sign
        if closing:
            rest = held.quantity + sign * closing
            # The last unit takes the whole remaining cost along, so that no dust stays.
            freed = held.cost if rest == 0 else held.average_price * -sign * closing
            profit = -sign * closing * fill.price - freed
            self._realised += profit
            if profit:
                self._losses_in_row = self._losses_in_row + 1 if profit < 0 else 0
            held = replace(held, quantity=rest, cost=held.cost - freed)
        if opening:
            held = replace(
                held,
                quantity=held.quantity + sign * opening,
                cost=held.cost + sign * opening * fill.price,
            )
        self._cash -= sign * fill.quantity * fill.price
        if held.quantity == 0:
            self._holdings.pop(fill.symbol, None)
        else:
            self._holdings[fill.symbol] = held
        self.log.append(fill)
        return fill
