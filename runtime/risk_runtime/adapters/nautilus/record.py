"""How trades went, as snapshots tell it: losses in a row, stops and targets that were hit."""

from __future__ import annotations

from typing import Any, Final

from nautilus_trader.model.enums import OrderType

from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Event, EventKind
from risk_runtime.adapters.nautilus.account import symbol_of

_STOPS: Final = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TRAILING_STOP_MARKET,
    OrderType.TRAILING_STOP_LIMIT,
)


class TradeRecord:
    """Of one account, since it was made."""

    def __init__(self) -> None:
        self.losses_in_row = 0
        self._events: dict[tuple[EventKind, str], Event] = {}

    @property
    def events(self) -> tuple[Event, ...]:
        """The latest of each kind and symbol."""
        return tuple(self._events.values())

    def filled(self, event: Any, order: Any) -> None:
        """A fill; that of an exit is an event."""
        if order is None or not order.is_reduce_only:
            return
        tags = order.tags or ()
        if order.order_type in _STOPS:
            kind = EventKind.STOP_LOSS
        elif "TAKE_PROFIT" in tags:
            kind = EventKind.TAKE_PROFIT
        else:
            return
        symbol = symbol_of(event.instrument_id)
        self._events[kind, symbol] = Event(kind=kind, symbol=symbol, at=utc_now())

    def closed(self, event: Any) -> None:
        """A position is flat; one that neither gained nor lost leaves the count alone."""
        profit = float(event.realized_pnl)
        if profit:
            self.losses_in_row = self.losses_in_row + 1 if profit < 0 else 0
