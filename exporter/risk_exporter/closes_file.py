"""A file of daily closes: CSV with a header, one row per day and symbol.

The columns ``date``, ``symbol`` (or ``ticker``) and ``close`` are read, wherever they stand;
others, as a price file has them, are left alone. Rows may come in any order. The file is taken
in whole or not at all: the first row that cannot be read is named with its line and column.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from risk_exporter.errors import ClosesFileError
from risk_exporter.history import is_day
from risk_exporter.memory import Closes
from risk_policy.contracts.snapshot import Identifier

_SYMBOL_NAMES: Final = ("symbol", "ticker")
_EXPECTED: Final = "a header with the columns date, symbol (or ticker) and close is expected"
_IDENTIFIER: Final = TypeAdapter(Identifier)


def load_closes(path: Path) -> Closes:
    """Read a file of closes. Raises ClosesFileError."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ClosesFileError(path, 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
        raise ClosesFileError(path, 0, "", message) from error
    reader = csv.reader(text.splitlines(), strict=True)
    closes: Closes = {}
    try:
        header = next(reader, [])
        columns = _columns(path, header)
        for fields in reader:
            if fields:
                row = _Row(path, reader.line_num, len(header), fields, columns)
                row.add_to(closes)
    except csv.Error as error:
        raise ClosesFileError(path, reader.line_num, "", f"is not CSV: {error}") from error
    if not closes:
        raise ClosesFileError(path, 0, "", f"holds no closes; {_EXPECTED}, and rows")
    return closes


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Where the three columns stand, by the names they have in this file."""
    names = [name.strip().lower() for name in header]
    symbols = [name for name in names if name in _SYMBOL_NAMES]
    wanted = ("date", symbols[0] if symbols else "symbol", "close")
    if len(symbols) > 1 or any(names.count(name) != 1 for name in wanted):
        raise ClosesFileError(path, 1, "", f"is {','.join(header)!r}; {_EXPECTED}, each once")
    return {name: names.index(name) for name in wanted}


class _Row:
    """One line, with its place, so that every complaint can point at it."""

    def __init__(
        self, path: Path, line: int, width: int, fields: list[str], columns: dict[str, int]
    ) -> None:
        self._path = path
        self._line = line
        if len(fields) != width:
            raise self._error("", f"has {len(fields)} fields, the header {width}; write as many")
        self._fields = {name: fields[number].strip() for name, number in columns.items()}

    def _error(self, column: str, message: str) -> ClosesFileError:
        return ClosesFileError(self._path, self._line, column, message)

    def add_to(self, closes: Closes) -> None:
        """Check the row and merge it."""
        day_name, symbol_name, close_name = self._fields
        day, symbol, close = self._fields.values()
        if not is_day(day):
            raise self._error(day_name, f"{day!r} is no day; write it as YYYY-MM-DD")
        try:
            _IDENTIFIER.validate_python(symbol)
        except ValidationError as error:
            raise self._error(
                symbol_name,
                f"{symbol!r} is no symbol; write 1 to 64 letters, digits or . _ : @ + = -, "
                "as the snapshots do",
            ) from error
        series = closes.setdefault(symbol, {})
        if day in series:
            message = f"{symbol} already has a close on {day}; write one row per day and symbol"
            raise self._error(symbol_name, message)
        series[day] = self._price(close_name, close)

    def _price(self, column: str, text: str) -> float:
        try:
            price = float(text)
        except ValueError:
            price = math.nan
        if not (math.isfinite(price) and price > 0):
            raise self._error(column, f"{text!r} is no price; a positive number is expected")
        return price
