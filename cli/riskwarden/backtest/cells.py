"""Rows and cells of a CSV file, each with its place, so that every complaint can point at it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from pydantic import TypeAdapter, ValidationError

from risk_policy.contracts.snapshot import Identifier
from risk_runtime.paper.replay import market_close
from riskwarden.backtest.errors import BacktestInputError

_DAY_LENGTH: Final = len("2008-09-15")
_TICKER: Final = TypeAdapter(Identifier)


def header(text: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader(text.splitlines()), [])]


def rows(name: str, text: str, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    columns = header(text)
    for column in needed:
        if columns.count(column) != 1:
            raise BacktestInputError(
                name, 1, column,
                f"the header {','.join(columns)!r} must name this column exactly once",
            )  # fmt: skip
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        next(reader)
        for cells in filter(None, reader):  # a blank line is no row
            if len(cells) != len(columns):
                raise BacktestInputError(
                    name, reader.line_num, "", f"has {len(cells)} cells instead of {len(columns)}"
                )
            yield reader.line_num, dict(zip(columns, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise BacktestInputError(name, reader.line_num, "", f"is not CSV: {error}") from error


def moment(name: str, line: int, text: str) -> datetime:
    """A day, which means its close, or an instant; UTC unless it says otherwise."""
    try:
        if len(text) == _DAY_LENGTH:
            return market_close(date.fromisoformat(text))
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BacktestInputError(
            name, line, "date", f"{text!r} is no time; write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def day(name: str, line: int, text: str) -> date:
    try:
        if len(text) == _DAY_LENGTH:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BacktestInputError(
        name, line, "date",
        f"{text!r} is no day; prices are daily, write YYYY-MM-DD (give intraday history as "
        "equity or snapshots)",
    )  # fmt: skip


def amount(name: str, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BacktestInputError(name, line, column, f"{text!r} is no amount; write a number")
    return value


def price(name: str, line: int, column: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise BacktestInputError(
            name, line, column, f"{text!r} is no price; a positive number is expected"
        )
    return value


def ticker(name: str, line: int, column: str, text: str) -> str:
    """What a position can be called."""
    try:
        return _TICKER.validate_python(text)
    except ValidationError:
        raise BacktestInputError(
            name, line, column, f"{text!r} is no ticker; letters, digits and ._:@+=- are"
        ) from None
