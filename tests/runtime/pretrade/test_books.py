"""What a book does not know of: it learns it, or proves nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trade_books import LIMITS, NOW, Hand, Make, books, orders

from risk_runtime import Book, PreTradeChecks, PreTradeLimit, Side


def test_a_book_that_was_taken_before_an_order_passed_learns_of_it(
    order: Make, book: Make, hand: Hand
) -> None:
    checks = PreTradeChecks(LIMITS, clock=hand)
    older, newer = book(), book()
    hand.now += 0.001
    assert checks.check(order(quantity=60.0), older).allowed
    decision = checks.check(order(quantity=61.0), newer)
    assert decision.limit is PreTradeLimit.POSITION_SIZE
    assert decision.value == pytest.approx(0.221)
    later = book(account={"taken_at": hand.now}, quantity=160.0)  # it holds the first one
    assert checks.check(order(quantity=40.0), later).allowed


def test_what_was_sold_by_one_book_cannot_be_sold_again_by_another_one(
    order: Make, book: Make, hand: Hand
) -> None:
    checks = PreTradeChecks(LIMITS, clock=hand)
    older, newer = book(), book()
    hand.now += 0.001
    sale = order(side=Side.SELL, quantity=100.0, reduce_only=True)
    assert checks.check(sale, older).allowed
    assert checks.check(sale, newer).limit is PreTradeLimit.REDUCE_ONLY
    assert checks.check(order(quantity=99.0), newer).allowed  # what is not sold yet is held


def test_a_book_that_does_not_know_what_was_bought_proves_nothing(
    order: Make, book: Make, hand: Hand
) -> None:
    checks = PreTradeChecks(LIMITS, clock=hand)
    lacking = book(others=())
    hand.now += 0.001
    assert checks.check(order(symbol="GOOG", quantity=1.0, price=400.0), book()).allowed
    assert checks.check(order(), lacking).limit is PreTradeLimit.EXPOSURE
    assert checks.check(order(side=Side.SELL, price=None), lacking).allowed


@given(st.data())
def test_two_books_of_one_instant_allow_together_what_one_of_them_does(data: st.DataObject) -> None:
    instruments, equity = data.draw(books())
    hand = Hand()
    alone, either = (PreTradeChecks(LIMITS, clock=hand) for _ in range(2))
    one, first, second = (
        Book("main", equity=equity, instruments=instruments, taken_at=NOW) for _ in range(3)
    )
    for step in range(data.draw(st.integers(1, 6))):
        hand.now = NOW + 0.01 * (step + 1)
        wanted = data.draw(orders(instruments, equity))
        of = first if data.draw(st.booleans()) else second
        assert either.check(wanted, of).limit is alone.check(wanted, one).limit


@pytest.mark.parametrize(
    "working", [{"selling": -50.0}, {"buying": -50.0}, {"selling": math.nan}, {"buying": math.inf}]
)
def test_working_orders_of_less_than_nothing_prove_no_position(
    working: dict[str, float], order: Make, book: Make
) -> None:
    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    for quantity in (-100.0, 100.0):
        for side in Side:
            closing = order(side=side, quantity=120.0, reduce_only=True)
            assert not checks.check(closing, book(quantity=quantity, **working)).allowed


ONLY_RISK = replace(
    LIMITS,
    position_risk_ratio=0.0,
    asset_max_ratio=1.0,
    sector_max_ratio=1.0,
    exposure_max_ratio=1.0,
)


def test_what_is_bought_on_top_is_at_risk_from_what_it_costs(order: Make, book: Make) -> None:
    # 30 were bought at 50. At the stop of 96 they win 1380, and what is bought now loses.
    checks = PreTradeChecks(ONLY_RISK, clock=lambda: NOW)
    of = book(quantity=30.0, average_price=50.0, max_notional=1e6)
    assert checks.check(order(quantity=170.0, stop=96.0), of).allowed  # wins 1380 - 680
    assert checks.check(order(quantity=160.0, stop=96.0), of).allowed  # wins 1380 - 1320
    decision = checks.check(order(quantity=20.0, stop=96.0), of)
    assert decision.limit is PreTradeLimit.POSITION_RISK
    assert decision.value == pytest.approx(20 / 100_000)


def test_what_is_sold_short_on_top_is_at_risk_from_what_it_brings(order: Make, book: Make) -> None:
    checks = PreTradeChecks(ONLY_RISK, clock=lambda: NOW)
    of = book(quantity=-30.0, average_price=150.0, max_notional=1e6)
    short = {"side": Side.SELL, "stop": 104.0}
    assert checks.check(order(quantity=170.0, **short), of).allowed
    assert checks.check(order(quantity=160.0, **short), of).allowed
    assert checks.check(order(quantity=20.0, **short), of).limit is PreTradeLimit.POSITION_RISK


@pytest.mark.parametrize("late", range(4))
def test_what_a_signals_handler_closes_in_the_middle_of_a_check_is_not_forgotten(
    late: int, order: Make, book: Make
) -> None:
    class Interrupted(str):
        """A name in the looking up of which the signal comes."""

        looked_up = 0

        def __hash__(self) -> int:
            self.looked_up += 1
            if self.looked_up == late + 1:
                assert checks.check(sale, of).allowed
            return super().__hash__()

        __eq__ = str.__eq__

    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    of = book()
    sale = order(side=Side.SELL, quantity=100.0, reduce_only=True)
    interrupted = Interrupted("AAPL")
    assert checks.check(order(symbol=interrupted), of).allowed
    if interrupted.looked_up > late:
        assert checks.check(sale, of).limit is PreTradeLimit.REDUCE_ONLY
