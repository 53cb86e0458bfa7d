"""The paper account as the pre-trade checks see it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from risk_runtime.order import Side
from risk_runtime.paper.broker import ZERO, PaperBroker
from risk_runtime.paper.strategy import SECTORS, UNKNOWN_SECTOR
from risk_runtime.pretrade import Book, Instrument


def book_of(broker: PaperBroker, account: str, now: float, priced_at: Mapping[str, float]) -> Book:
    """Everything that is held and working, and every symbol that ever had a price.

    Args:
        now: market time, Unix seconds.
        priced_at: the market time of each symbol's last price; one without is not up to date.
    """
    working = {Side.BUY: dict[str, Decimal](), Side.SELL: dict[str, Decimal]()}
    for order in broker.working:
        units = working[order.side]
        units[order.symbol] = units.get(order.symbol, ZERO) + order.quantity
    held = broker.holdings
    instruments = [
        Instrument(
            symbol=symbol,
            mark=float(mark),
            priced_at=priced_at.get(symbol, 0.0),
            quantity=float(broker.quantity(symbol)),
            average_price=float(held[symbol].average_price) if symbol in held else None,
            buying=float(working[Side.BUY].get(symbol, ZERO)),
            selling=float(working[Side.SELL].get(symbol, ZERO)),
            sector=SECTORS.get(symbol, UNKNOWN_SECTOR),
        )
        for symbol, mark in broker.state().marks
    ]
    return Book(account, equity=float(broker.equity), instruments=instruments, taken_at=now)
