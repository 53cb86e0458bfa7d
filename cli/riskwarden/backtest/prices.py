"""Price files in any of their shapes, as trading days.

Who gives closes alone trades at them: open, high and low are the close.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final

from risk_runtime.prices import COLUMNS, Bar, TradingDay, load_prices
from riskwarden.backtest import cells
from riskwarden.backtest.errors import BacktestInputError

_SYMBOLS: Final = ("symbol", "ticker")
#: Headings that a single symbol's file has; as a ticker they would be a mistake.
_NO_TICKERS: Final = ("open", "high", "low", "close", "price", "volume", "equity")

#: Line, day, ticker, close.
_Close = tuple[int, date, str, Decimal]


def price_days(name: str, path: Path, text: str) -> tuple[TradingDay, ...]:
    """The days of a file: a row per day and symbol, or a column per symbol.

    Raises:
        BacktestInputError, PriceDataError: where, what, and what would be right.
    """
    header = cells.header(text)
    if tuple(header) == COLUMNS:
        return load_prices(path).days
    symbol = next((column for column in header if column in _SYMBOLS), "")
    closes = _long(name, text, symbol) if symbol else _wide(name, text, header)
    days: list[TradingDay] = []
    for when, rows in groupby(closes, key=lambda row: row[1]):
        bars: dict[str, Bar] = {}
        for line, _, ticker, close in rows:
            if days and when < days[-1].date:
                raise BacktestInputError(
                    name, line, "date", f"{when} comes after {days[-1].date}; keep rows in order"
                )
            if ticker in bars:
                raise BacktestInputError(
                    name, line, symbol, f"{ticker} already has a price on {when}; one a day"
                )
            bars[ticker] = Bar(ticker, close, close, close, close, 0)
        days.append(TradingDay(when, bars))
    return tuple(days)


def _long(name: str, text: str, symbol: str) -> Iterator[_Close]:
    for line, row in cells.rows(name, text, ("date", symbol, "close")):
        when = cells.day(name, line, row["date"])
        ticker = cells.ticker(name, line, symbol, row[symbol])
        yield line, when, ticker, cells.price(name, line, "close", row["close"])


def _wide(name: str, text: str, header: list[str]) -> Iterator[_Close]:
    """A column per ticker; an empty cell is a day without a price."""
    tickers = header[1:]
    for ticker in tickers:
        if ticker in _NO_TICKERS:
            raise BacktestInputError(
                name, 1, ticker, "is no ticker; write 'date,symbol,close', or name the column "
                "after what is traded"
            )  # fmt: skip
        cells.ticker(name, 1, ticker, ticker)
    for line, row in cells.rows(name, text, tuple(header)):
        when = cells.day(name, line, row["date"])
        priced = [ticker for ticker in tickers if row[ticker]]
        if not priced:
            raise BacktestInputError(
                name, line, "", f"no ticker has a price on {when}; leave the row out"
            )
        for ticker in priced:
            yield line, when, ticker, cells.price(name, line, ticker, row[ticker])
