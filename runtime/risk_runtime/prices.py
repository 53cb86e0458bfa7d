"""Daily prices: the committed book of 2006-2009, or any file of the same shape.

Invariant: what comes out is complete and ordered, or nothing comes out. A row that cannot be
read, is out of order or contradicts itself is refused with file, line and column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Final

from risk_runtime.errors import PriceDataError

COLUMNS: Final = ("date", "ticker", "open", "high", "low", "close", "volume")
PACKAGED: Final = "prices_2006_2009.csv"

_TICKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,63}")


@dataclass(frozen=True, slots=True)
class Bar:
    """One symbol's prices of one day."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class TradingDay:
    """All prices of one day; symbols that have none that day are absent."""

    date: date
    bars: dict[str, Bar]


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Trading days in order.

    Attributes:
        days: from the earliest to the latest.
        source: where they were read from.
    """

    days: tuple[TradingDay, ...]
    source: str

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that has a price, in alphabetical order."""
        return tuple(sorted({symbol for day in self.days for symbol in day.bars}))

    def between(self, first: date, last: date) -> tuple[TradingDay, ...]:
        """The days from ``first`` to ``last``, both included."""
        return tuple(day for day in self.days if first <= day.date <= last)

    def before(self, first: date) -> tuple[TradingDay, ...]:
        """The days before ``first``."""
        return tuple(day for day in self.days if day.date < first)


def closes_of(days: tuple[TradingDay, ...]) -> dict[str, dict[str, float]]:
    """Closing prices by symbol and ISO date, as the exporter takes its history."""
    closes: dict[str, dict[str, float]] = {}
    for day in days:
        for symbol, bar in day.bars.items():
            closes.setdefault(symbol, {})[day.date.isoformat()] = float(bar.close)
    return closes


def load_prices(path: Path | None = None) -> PriceHistory:
    """Read a price file; the committed one unless a path is given.

    Raises:
        PriceDataError: naming file, line, column and what would be right.
    """
    source = PACKAGED if path is None else str(path)
    try:
        if path is None:
            text = (resources.files("risk_runtime") / "data" / PACKAGED).read_text("utf-8")
        else:
            text = path.read_text("utf-8-sig")  # as spreadsheets write it
    except OSError as error:
        raise PriceDataError(source, 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
        raise PriceDataError(source, 0, "", message) from error
    return parse_prices(text, source)


def parse_prices(text: str, source: str) -> PriceHistory:
    """Check the content of a price file. Raises PriceDataError."""
    days = []
    for when, rows in groupby(_rows(text, source), key=lambda row: row[1]):
        bars: dict[str, Bar] = {}
        for line, _, bar in rows:
            if bar.symbol in bars:
                message = f"{bar.symbol} already has a price on {when}; one row per day and ticker"
                raise PriceDataError(source, line, "ticker", message)
            bars[bar.symbol] = bar
        days.append(TradingDay(when, bars))
    if not days:
        raise PriceDataError(source, 0, "", "holds no prices; a header and rows are expected")
    return PriceHistory(tuple(days), source)


def _rows(text: str, source: str) -> Iterator[tuple[int, date, Bar]]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            message = f"header is {','.join(header)!r}; it must be {','.join(COLUMNS)!r}"
            raise PriceDataError(source, 1, "", message)
        latest = date.min
        for fields in filter(None, reader):  # a blank line is no row
            row = _Row(source, reader.line_num, fields)
            when = row.date()
            if when < latest:
                message = f"{when} comes after {latest}; rows must be in order of date"
                raise PriceDataError(source, reader.line_num, "date", message)
            latest = when
            yield reader.line_num, when, row.bar()
    except csv.Error as error:
        raise PriceDataError(source, reader.line_num, "", f"is not CSV: {error}") from error


class _Row:
    """One line, with its place, so that every complaint can point at it."""

    def __init__(self, source: str, line: int, fields: list[str]) -> None:
        self._source = source
        self._line = line
        if len(fields) != len(COLUMNS):
            raise self._error("", f"has {len(fields)} fields instead of {len(COLUMNS)}")
        self._fields = dict(zip(COLUMNS, fields, strict=True))

    def _error(self, column: str, message: str) -> PriceDataError:
        return PriceDataError(self._source, self._line, column, message)

    def date(self) -> date:
        text = self._fields["date"]
        try:
            if len(text) == len("2006-06-01"):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise self._error("date", f"{text!r} is no date; write YYYY-MM-DD")

    def bar(self) -> Bar:
        symbol = self._fields["ticker"]
        if not _TICKER.fullmatch(symbol):
            raise self._error("ticker", f"{symbol!r} is no ticker; letters, digits and ._:@+=-")
        bar = Bar(
            symbol=symbol,
            open=self._price("open"),
            high=self._price("high"),
            low=self._price("low"),
            close=self._price("close"),
            volume=self._volume(),
        )
        if bar.high < max(bar.open, bar.close, bar.low):
            raise self._error("high", f"{bar.high} is below another price of the same day")
        if bar.low > min(bar.open, bar.close):
            raise self._error("low", f"{bar.low} is above another price of the same day")
        return bar

    def _price(self, column: str) -> Decimal:
        text = self._fields[column]
        try:
            price = Decimal(text)
        except InvalidOperation:
            price = Decimal("NaN")
        if not price.is_finite() or price <= 0:
            raise self._error(column, f"{text!r} is no price; a positive number is expected")
        return price

    def _volume(self) -> int:
        text = self._fields["volume"]
        if not (text.isascii() and text.isdigit()):
            raise self._error("volume", f"{text!r} is no volume; a whole number is expected")
        return int(text)
