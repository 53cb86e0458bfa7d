"""Files as histories: what is read, and what a refusal says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.errors import PriceDataError
from riskwarden.backtest.errors import BacktestInputError
from riskwarden.backtest.inputs import Book, Kind, Source, read

BOOK = Book("main", Decimal(1000))
PRICES = "date,symbol,close\n"
BUNDLED = "date,ticker,open,high,low,close,volume\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(name: str, text: str, book: Book = BOOK, kind: Kind | None = None) -> Source:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return read(path, book, kind, None, None)


def equities(source: Source) -> list[float]:
    return [snapshot.equity for snapshot in source.snapshots]


def line(at: str, **changes: object) -> str:
    fields: dict[str, object] = {
        "account": "desk", "equity": 10.0, "cash": 10.0, "positions": [], "taken_at": at,
    }  # fmt: skip
    return Snapshot.model_validate({**fields, **changes}).model_dump_json() + "\n"


def test_equity_on_days_counts_at_the_close(folder: Path) -> None:
    source = given("e.csv", "date,equity\n2020-01-02,100\n2020-01-03, 99.5\n")
    assert equities(source) == [100, 99.5]
    assert source.snapshots[0].market_time == datetime(2020, 1, 2, 21, tzinfo=UTC)


def test_equity_may_be_intraday_and_beside_other_columns(folder: Path) -> None:
    text = "date,note,equity\n2020-01-02T10:00:00,a,1\n2020-01-02T12:01:00+02:00,b,2\n"
    times = [snapshot.market_time for snapshot in given("e.csv", text).snapshots]
    assert times == [datetime(2020, 1, 2, 10, minute, tzinfo=UTC) for minute in (0, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "date,symbol,close\n2020-01-02,A,10\n2020-01-02,B,5\n2020-01-03,A,11\n2020-01-03,B,5\n",
        "date,ticker,close\n2020-01-02,A,10\n2020-01-02,B,5\n2020-01-03,A,11\n2020-01-03,B,5\n",
        "date,A,B\n2020-01-02,10,5\n2020-01-03,11,\n",
        BUNDLED
        + "2020-01-02,A,10,10,10,10,0\n2020-01-02,B,5,5,5,5,0\n2020-01-03,A,11,11,11,11,0\n",
    ],
    ids=["symbols", "tickers", "a column each", "as bundled"],
)
def test_prices_become_a_book_of_the_weights_given(folder: Path, text: str) -> None:
    weights = {"A": Decimal("0.5"), "B": Decimal("0.25")}
    source = given("p.csv", text, Book("main", Decimal(1000), weights))
    assert equities(source) == pytest.approx([1000, 1050])
    held = {p.symbol: p.quantity for p in source.snapshots[-1].positions}
    assert held == {"A": 50, "B": 50}


def test_without_weights_the_paper_book_s_strategy_trades(folder: Path) -> None:
    source = given("p.csv", "date,A\n2020-01-02,10\n2020-01-03,20\n")
    assert equities(source) == [1000, 1150]


def test_the_bundled_book_knows_the_prices_before_its_start() -> None:
    source = read(None, Book("main", Decimal(1_000_000)), None, None, date(2007, 1, 31))
    assert source.snapshots[0].trading_day == "2007-01-03"
    assert max(source.closes["AAPL"]) == "2006-12-29"


def test_snapshots_keep_account_and_positions_and_are_as_fresh_as_they_were(folder: Path) -> None:
    late = line("2024-05-05T00:00:00Z", market_time="2020-01-03T21:00:00Z", equity=9.0)
    source = given("s.jsonl", line("2020-01-02T21:00:00Z") + "\n" + late)
    assert source.account == "desk"
    assert source.snapshots[1].taken_at == datetime(2020, 1, 3, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.csv", "date,equity\n2020-01-02,1\n2020-01-03,2\n"),
        ("p.csv", "date,A\n2020-01-02,1\n2020-01-03,2\n"),
        ("b.csv", BUNDLED + "2020-01-02,A,1,1,1,1,0\n2020-01-03,A,1,1,1,1,0\n"),
        ("s.jsonl", line("2020-01-02T21:00:00Z") + "\n" + line("2020-01-03T21:00:00Z")),
    ],
)
def test_files_as_spreadsheets_and_editors_write_them_are_read(
    folder: Path, name: str, text: str
) -> None:
    plain = given(name, text)
    lines = text.split("\n")
    odd = "\ufeff" + "\r\n".join([*lines[:2], "", *lines[2:], "", ""])
    assert given(name, odd).snapshots == plain.snapshots


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("e.csv", "when,what\n", "e.csv:1: header is 'when,what'; it must be 'date,equity'"),
        ("e.csv", "", "e.csv:1: header is ''"),
        ("e.csv", "date,equity\n", "e.csv: holds no rows; one is the least"),
        ("e.csv", "date,equity\n2020-01-02,much\n", "e.csv:2: equity: 'much' is no amount"),
        ("e.csv", "date,equity\n2020-01-02,nan\n", "e.csv:2: equity: 'nan' is no amount"),
        ("e.csv", "date,equity\n2020-13-02,1\n", "e.csv:2: date: '2020-13-02' is no time"),
        ("e.csv", "date,equity\n2020-01-02\n", "e.csv:2: has 1 cells instead of 2"),
        ("e.csv", "date,equity,equity\n2020-01-02,1,2\n", "e.csv:1: equity: the header"),
        ("e.csv", "date,equity\n2020-01-02,1\n2020-01-02,1\n", "e.csv:3: date: 2020-01-02 does"),
        ("p.csv", PRICES + "2020-01-02,A,-1\n", "p.csv:2: close: '-1' is no price"),
        ("p.csv", PRICES + "2020-01-02,,1\n", "p.csv:2: symbol: '' is no ticker"),
        ("p.csv", PRICES + "2020-01-02,A,1\n2020-01-02,A,1\n", "p.csv:3: symbol: A already has"),
        ("p.csv", PRICES + "2020-01-03,A,1\n2020-01-02,A,1\n", "p.csv:3: date: 2020-01-02 comes"),
        ("p.csv", PRICES + "2020-01-02T10:00,A,1\n", "p.csv:2: date: '2020-01-02T10:00' is no day"),
        ("p.csv", PRICES + "2020-01-02,A B,1\n", "p.csv:2: symbol: 'A B' is no ticker"),
        ("p.csv", "date,A,B\n2020-01-02,,\n", "p.csv:2: no ticker has a price on 2020-01-02"),
        ("p.csv", "date,close\n2020-01-02,1\n", "p.csv:1: close: is no ticker"),
        (
            "p.csv",
            BUNDLED + "2020-01-02,A,1,1,1,x,0\n",
            "p.csv:2: close: 'x' is no price",
        ),
        ("s.jsonl", "{}\n", "s.jsonl:1: account: Field required"),
        ("s.jsonl", "not json\n", "s.jsonl:1: "),
    ],
)
def test_a_refusal_names_file_line_column_value_and_remedy(
    folder: Path, name: str, text: str, complaint: str
) -> None:
    with pytest.raises((BacktestInputError, PriceDataError)) as caught:
        given(name, text)
    assert str(caught.value).startswith(complaint)


def test_snapshots_of_two_accounts_or_out_of_order_are_refused(folder: Path) -> None:
    first = line("2020-01-02T21:00:00Z")
    with pytest.raises(BacktestInputError, match=r"s.jsonl:2: account: is 'b' after 'desk'"):
        given("s.jsonl", first + line("2020-01-03T21:00:00Z", account="b"))
    with pytest.raises(BacktestInputError, match=r"s.jsonl:2: market_time: .* does not come after"):
        given("s.jsonl", first + first)


def test_a_weight_without_a_price_is_refused(folder: Path) -> None:
    with pytest.raises(BacktestInputError, match="has no price of B, which has a weight; it has"):
        given("p.csv", "date,A\n2020-01-02,1\n", Book("main", Decimal(1), {"B": Decimal(1)}))


def test_a_file_that_is_not_there_or_not_text_is_refused(folder: Path) -> None:
    with pytest.raises(BacktestInputError, match=r"none.csv: cannot be read: No such file"):
        read(Path("none.csv"), BOOK, None, None, None)
    Path("b.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(BacktestInputError, match=r"b.csv: is not UTF-8 at byte 0"):
        read(Path("b.csv"), BOOK, None, None, None)
