"""Price files: the committed one is whole, and every fault is named with its place."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from risk_runtime.errors import PriceDataError
from risk_runtime.prices import closes_of, load_prices, parse_prices

HEADER = "date,ticker,open,high,low,close,volume\n"
GOOD = "2007-01-03,AAPL,10,12,9,11,100\n"


def test_the_committed_book_holds_five_symbols_from_2006_to_2009() -> None:
    prices = load_prices()
    assert prices.symbols == ("AAPL", "GOOG", "IBM", "MSFT", "WTI")
    assert prices.days[0].date == date(2006, 6, 1)
    assert prices.days[-1].date == date(2009, 12, 31)
    assert sum(len(day.bars) for day in prices.days) == 904 * 4 + 903
    assert prices.days[0].bars["AAPL"].close == Decimal("7.9897")


def test_a_day_without_a_price_stays_without_one() -> None:
    missing = [day.date for day in load_prices().days if len(day.bars) < 5]
    assert missing
    assert all(
        set(day.bars) < {"AAPL", "GOOG", "IBM", "MSFT", "WTI"}
        for day in load_prices().days
        if day.date in missing
    )


def test_days_are_cut_at_both_ends_with_the_ends_included() -> None:
    prices = load_prices()
    days = prices.between(date(2007, 1, 3), date(2007, 1, 5))
    assert [day.date.day for day in days] == [3, 4, 5]
    assert prices.before(date(2007, 1, 3))[-1].date < date(2007, 1, 3)


def test_closes_are_given_by_symbol_and_date() -> None:
    days = parse_prices(HEADER + GOOD, "p.csv").days
    assert closes_of(days) == {"AAPL": {"2007-01-03": 11.0}}


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        ("2007-01-03,AAPL,10,12,9,11\n", "", "has 6 fields instead of 7"),
        ("2007-13-03,AAPL,10,12,9,11,1\n", "date", "write YYYY-MM-DD"),
        ("20070103,AAPL,10,12,9,11,1\n", "date", "write YYYY-MM-DD"),
        ("2007-01-02,IBM,10,12,9,11,1\n", "date", "must be in order"),
        ("2007-01-03,AAPL,10,12,9,11,1\n", "ticker", "already has a price"),
        ("2007-01-03,BTC/EUR,10,12,9,11,1\n", "ticker", "is no ticker"),
        ("2007-01-03,IBM,ten,12,9,11,1\n", "open", "is no price"),
        ("2007-01-03,IBM,10,NaN,9,11,1\n", "high", "is no price"),
        ("2007-01-03,IBM,10,12,-9,11,1\n", "low", "a positive number"),
        ("2007-01-03,IBM,10,12,9,0,1\n", "close", "is no price"),
        ("2007-01-03,IBM,10,10.5,9,11,1\n", "high", "below another price"),
        ("2007-01-03,IBM,10,12,10.5,11,1\n", "low", "above another price"),
        ("2007-01-03,IBM,10,12,9,11,1.5\n", "volume", "a whole number"),
        ('2007-01-03,"IBM,10\n', "", "is not CSV"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_column(
    row: str, column: str, message: str
) -> None:
    with pytest.raises(PriceDataError, match=message) as caught:
        parse_prices(HEADER + GOOD + row, "prices.csv")
    assert caught.value.line == 3
    assert caught.value.column == column
    assert str(caught.value).startswith("prices.csv:3: " + column)


def test_another_header_is_refused() -> None:
    with pytest.raises(PriceDataError, match="it must be 'date,ticker,open"):
        parse_prices("day,ticker\n", "prices.csv")


@pytest.mark.parametrize("text", ["", HEADER])
def test_a_file_without_prices_is_refused(text: str) -> None:
    with pytest.raises(PriceDataError):
        parse_prices(text, "prices.csv")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceDataError, match=r"none\.csv: cannot be read"):
        load_prices(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"\xff")
    with pytest.raises(PriceDataError, match="not UTF-8"):
        load_prices(tmp_path / "latin.csv")
