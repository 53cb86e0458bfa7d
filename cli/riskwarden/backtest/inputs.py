"""Which kind of history a file holds, and its rows as snapshots.

Invariant: every row is used, or none is and the error says where: file, line, column, what
stands there and what would be right. Nothing is skipped, sorted or guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from risk_policy.contracts.snapshot import Snapshot
from risk_runtime import Order
from risk_runtime.prices import COLUMNS, TradingDay, closes_of, load_prices
from riskwarden.backtest import cells
from riskwarden.backtest.book import replayed, strategy_for
from riskwarden.backtest.errors import BacktestInputError
from riskwarden.backtest.measured import Closes
from riskwarden.backtest.prices import price_days

#: Where the bundled book starts; what lies before is history for value at risk.
BUNDLED_START: Final = date(2007, 1, 3)
_Rows = TypeVar("_Rows", bound=Sequence[object])
_SNAPSHOT_SUFFIXES: Final = (".jsonl", ".ndjson")


class Kind(StrEnum):
    """What a file holds."""

    EQUITY = "equity"
    PRICES = "prices"
    SNAPSHOTS = "snapshots"


@dataclass(frozen=True, slots=True)
class Book:
    """How prices become an account.

    Attributes:
        weights: shares of equity by symbol; None for the paper runtime's own strategy.
    """

    account: str
    cash: Decimal
    weights: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A history that can be measured.

    Attributes:
        closes: prices from before the first snapshot.
        orders: those that led to each snapshot; empty where nobody knows them.
    """

    name: str
    kind: Kind
    account: str
    snapshots: Sequence[Snapshot]
    closes: Closes = field(default_factory=dict)
    orders: Sequence[tuple[Order, ...]] = ()


def read(
    path: Path | None, book: Book, kind: Kind | None, first: date | None, last: date | None
) -> Source:
    """A file as a history; the bundled prices unless one is named.

    Raises:
        BacktestInputError, PriceDataError: where, what, and what would be right.
    """
    if path is None:
        days = load_prices().days
        return _of_prices("bundled prices", days, book, first or BUNDLED_START, last)
    name = str(path)
    try:
        text = path.read_text("utf-8-sig")  # as spreadsheets write it
    except OSError as error:
        raise BacktestInputError(name, 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BacktestInputError(
            name, 0, "", f"is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error
    match kind or kind_of(name, text):
        case Kind.SNAPSHOTS:
            return _of_snapshots(name, text, book.account, first, last)
        case Kind.EQUITY:
            rows = list(_equity(name, text))
            kept = [s for s in _as_snapshots(rows, book.account) if _within(s, first, last)]
            return Source(name, Kind.EQUITY, book.account, _not_empty(name, kept, first, last))
        case Kind.PRICES:
            return _of_prices(name, price_days(name, path, text), book, first, last)


def kind_of(name: str, text: str) -> Kind:
    """What a file holds, from its name and its header. Raises BacktestInputError."""
    if Path(name).suffix in _SNAPSHOT_SUFFIXES or text.lstrip().startswith("{"):
        return Kind.SNAPSHOTS
    header = cells.header(text)
    if header[:1] == ["date"]:
        if "equity" in header:
            return Kind.EQUITY
        if len(header) > 1 and all(header):
            return Kind.PRICES
    raise BacktestInputError(
        name,
        1,
        "",
        f"header is {','.join(header)!r}; it must be 'date,equity', 'date,symbol,close', "
        f"'date,<ticker>,<ticker>,…' or {','.join(COLUMNS)!r}, or the file one snapshot (JSON) "
        "a line",
    )


# -- equity ------------------------------------------------------------------------------------


def _equity(name: str, text: str) -> Iterator[tuple[datetime, float]]:
    latest: datetime | None = None
    for line, row in cells.rows(name, text, ("date", "equity")):
        at = cells.moment(name, line, row["date"])
        if latest is not None and at <= latest:
            raise BacktestInputError(
                name, line, "date", f"{row['date']} does not come after the row before it; "
                "keep rows in order, each at a time of its own"
            )  # fmt: skip
        latest = at
        yield at, cells.amount(name, line, "equity", row["equity"])


def _as_snapshots(rows: list[tuple[datetime, float]], account: str) -> Iterator[Snapshot]:
    """An account of which nothing but its equity is known."""
    for at, equity in rows:
        yield Snapshot(
            account=account, equity=equity, cash=equity, positions=(), taken_at=at, market_time=at
        )


# -- prices ------------------------------------------------------------------------------------


def _of_prices(
    name: str, days: tuple[TradingDay, ...], book: Book, first: date | None, last: date | None
) -> Source:
    start = first or days[0].date
    kept = tuple(day for day in days if start <= day.date and (last is None or day.date <= last))
    before = tuple(day for day in days if day.date < start)
    _not_empty(name, kept, first, last)
    symbols = tuple(sorted({symbol for day in days for symbol in day.bars}))
    for symbol in book.weights or ():
        if symbol not in symbols:
            raise BacktestInputError(
                name, 0, "", f"has no price of {symbol}, which has a weight; it has: "
                f"{', '.join(symbols)}"
            )  # fmt: skip
    strategy = strategy_for(symbols, book.weights)
    played = list(replayed(kept, book.account, book.cash, strategy))
    snapshots, orders = [day[0] for day in played], [day[1] for day in played]
    return Source(name, Kind.PRICES, book.account, snapshots, closes_of(before), orders)


# -- snapshots ---------------------------------------------------------------------------------


def _of_snapshots(
    name: str, text: str, account: str, first: date | None, last: date | None
) -> Source:
    found: list[Snapshot] = []
    for line, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            snapshot = Snapshot.model_validate_json(raw)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in detail["loc"])
            value = f", not {detail['input']!r}" if where else ""
            raise BacktestInputError(name, line, where, f"{detail['msg']}{value}") from error
        if found and snapshot.account != found[0].account:
            raise BacktestInputError(
                name, line, "account",
                f"is {snapshot.account!r} after {found[0].account!r}; one account a file",
            )  # fmt: skip
        if found and snapshot.market_time <= found[-1].market_time:
            raise BacktestInputError(
                name, line, "market_time",
                f"{snapshot.market_time.isoformat()} does not come after "
                f"{found[-1].market_time.isoformat()}; snapshots must be in order of time",
            )  # fmt: skip
        # The tester's clock is the market's: a snapshot is as fresh as it was then.
        found.append(snapshot.model_copy(update={"taken_at": snapshot.market_time}))
    kept = _not_empty(name, [s for s in found if _within(s, first, last)], first, last)
    return Source(name, Kind.SNAPSHOTS, kept[0].account or account, kept)


def _within(snapshot: Snapshot, first: date | None, last: date | None) -> bool:
    day = snapshot.market_time.astimezone(UTC).date()
    return (first is None or first <= day) and (last is None or day <= last)


def _not_empty(name: str, rows: _Rows, first: date | None, last: date | None) -> _Rows:
    if not rows:
        asked = f" from {first or 'the first'} to {last or 'the last'}" if first or last else ""
        raise BacktestInputError(name, 0, "", f"holds no rows{asked}; one is the least")
    return rows
