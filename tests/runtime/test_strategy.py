"""The strategy: equal weights, whole units, the same wishes for the same day."""

from __future__ import annotations

from decimal import Decimal

from risk_runtime.order import Side
from risk_runtime.paper.strategy import SECTORS, EqualWeightStrategy
from risk_runtime.prices import Bar, load_prices

D = Decimal


def bars(**closes: int) -> dict[str, Bar]:
    return {s: Bar(s, D(c), D(c), D(c), D(c), 0) for s, c in closes.items()}


def test_every_symbol_of_the_book_has_a_sector_and_there_are_three() -> None:
    assert set(SECTORS) == set(load_prices().symbols)
    assert len(set(SECTORS.values())) == 3


def test_it_buys_fifteen_percent_of_equity_and_rests_one_percent_a_tenth_below() -> None:
    purchase, resting = EqualWeightStrategy().wishes(0, bars(A=70), D(100_000), {})
    assert (purchase.side, purchase.quantity, purchase.limit) == (Side.BUY, 214, None)
    assert (resting.side, resting.quantity, resting.limit) == (Side.BUY, 15, 63)


def test_it_sells_what_is_too_much_before_it_buys_what_is_missing() -> None:
    wishes = EqualWeightStrategy().wishes(
        21, bars(A=10, B=10), D(100_000), {"A": D(1000), "B": D(2000)}
    )
    assert [(w.symbol, w.side, w.quantity) for w in wishes if w.limit is None] == [
        ("B", Side.SELL, 500),
        ("A", Side.BUY, 500),
    ]


def test_it_leaves_alone_what_is_right_and_what_has_no_price_today() -> None:
    wishes = EqualWeightStrategy().wishes(0, bars(A=10), D(100_000), {"A": D(1500), "B": D(7)})
    assert [w for w in wishes if w.limit is None] == []
    assert {w.symbol for w in wishes} == {"A"}


def test_it_wishes_for_nothing_between_rebalancings_or_without_equity() -> None:
    strategy = EqualWeightStrategy()
    assert strategy.wishes(20, bars(A=10), D(100_000), {}) == ()
    assert strategy.wishes(21, bars(A=10), D(0), {}) == ()


def test_the_same_day_and_book_give_the_same_wishes() -> None:
    days = load_prices().days[:3]
    for day in days:
        one = EqualWeightStrategy().wishes(0, day.bars, D(1_000_000), {"IBM": D(5)})
        reordered = dict(reversed(day.bars.items()))
        assert one == EqualWeightStrategy().wishes(0, reordered, D(1_000_000), {"IBM": D(5)})
        assert one
