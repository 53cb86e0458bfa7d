"""A book, an order and the committed policy, to be varied one figure at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from trade_books import Hand

from risk_policy import default_policy_path, load_policy
from risk_runtime import Book, Instrument, PreTradeLimits, Side, TradeOrder

NOW = 1000.0
HELD = Instrument(
    "AAPL", mark=100.0, priced_at=NOW, quantity=100.0, average_price=90.0, sector="technology"
)
OTHERS = (
    Instrument("MSFT", mark=50.0, priced_at=NOW, quantity=200.0, sector="technology"),
    Instrument("WTI", mark=20.0, priced_at=NOW, quantity=-250.0, sector="energy"),
    Instrument("GOOG", mark=400.0, priced_at=NOW),
)


@pytest.fixture(scope="session")
def limits() -> PreTradeLimits:
    """What the committed policy allows."""
    return PreTradeLimits.of(load_policy(default_policy_path(), {}))


@pytest.fixture
def order() -> Callable[..., TradeOrder]:
    """A purchase of ten AAPL at the market, unless said otherwise."""
    usual = TradeOrder("main", "AAPL", Side.BUY, 10.0, 100.0)
    return lambda **other: replace(usual, **other)


@pytest.fixture
def book() -> Callable[..., Book]:
    """100,000 of equity: 10 % in AAPL, 10 % in MSFT, 5 % short in WTI; GOOG is known."""

    def make(*, others: Any = OTHERS, account: dict[str, Any] | None = None, **held: Any) -> Book:
        figures = {"equity": 100_000.0, "taken_at": NOW, **(account or {})}
        return Book("main", instruments=(replace(HELD, **held), *others), **figures)

    return make


@pytest.fixture
def hand() -> Hand:
    """A clock that stands until it is moved."""
    return Hand()
