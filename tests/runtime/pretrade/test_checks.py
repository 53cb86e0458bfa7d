"""Orders one after another: together they keep every limit, and nobody is trapped or flooded."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy import default_policy_path, load_policy
from risk_runtime import (
    Book,
    Instrument,
    PreTradeChecks,
    PreTradeLimit,
    PreTradeLimits,
    Side,
    TradeOrder,
)

LIMITS = PreTradeLimits.of(load_policy(default_policy_path(), {}))
NOW = 1000.0
SYMBOLS = ("A", "B", "C", "D")
GROUPS = {"A": ("x", "one"), "B": ("x", "one"), "C": ("y", "one"), "D": ("z", "two")}
Make = Callable[..., Any]


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


# -- orders and what they make of the book -----------------------------------------------------

units = st.floats(-3000, 3000) | st.just(0.0)
prices = st.floats(0.5, 2000)


@st.composite
def books(draw: st.DrawFn) -> tuple[tuple[Instrument, ...], float]:
    """Instruments and equity; often within the limits, often beyond."""
    equity = draw(st.floats(1_000, 1e6))
    instruments = []
    # Half of them with room for several orders, half anywhere.
    share = draw(st.sampled_from([st.just(0.0), st.floats(-0.1, 0.1), st.floats(-0.3, 0.3)]))
    for symbol in SYMBOLS:
        mark = draw(prices)
        asset, sector = GROUPS[symbol]
        quantity, buying, selling = (draw(share) * equity / mark for _ in range(3))
        instruments.append(
            Instrument(
                symbol, mark, NOW, quantity, None, abs(buying) / 3, abs(selling) / 3, asset, sector
            )
        )
    return tuple(instruments), equity


def price_of(line: Instrument) -> float:
    assert line.mark is not None
    return line.mark


@st.composite
def orders(draw: st.DrawFn, instruments: tuple[Instrument, ...], equity: float) -> TradeOrder:
    line = draw(st.sampled_from(instruments))
    return TradeOrder(
        "main",
        line.symbol,
        draw(st.sampled_from(Side)),
        draw(st.floats(0.05, 0.22)) * equity / price_of(line),
        price_of(line) * draw(st.sampled_from([0.7, 0.95, 1.0, 1.0, 1.05, 1.05, 1.3])),
        reduce_only=draw(st.integers(0, 9)) == 0,
    )


def shares(
    held: dict[str, float], marks: dict[str, float], equity: float
) -> dict[PreTradeLimit, float]:
    """The largest share of equity that counts against each limit, worked out from scratch."""
    amounts = {symbol: abs(held[symbol]) * marks[symbol] for symbol in SYMBOLS}

    def largest(kind: int) -> float:
        names = {GROUPS[symbol][kind] for symbol in SYMBOLS}
        return max(sum(amounts[s] for s in SYMBOLS if GROUPS[s][kind] == name) for name in names)

    return {
        PreTradeLimit.POSITION_SIZE: max(amounts.values()) / equity,
        PreTradeLimit.ASSET_CONCENTRATION: largest(0) / equity,
        PreTradeLimit.SECTOR_CONCENTRATION: largest(1) / equity,
        PreTradeLimit.EXPOSURE: sum(amounts.values()) / equity,
    }


MOST = {
    PreTradeLimit.POSITION_SIZE: LIMITS.position_max_ratio * LIMITS.position_usage_ratio,
    PreTradeLimit.ASSET_CONCENTRATION: LIMITS.asset_max_ratio,
    PreTradeLimit.SECTOR_CONCENTRATION: LIMITS.sector_max_ratio,
    PreTradeLimit.EXPOSURE: LIMITS.exposure_max_ratio,
}


@given(st.data())
def test_no_orders_that_were_accepted_take_the_book_beyond_a_limit_it_was_within(
    data: st.DataObject,
) -> None:
    instruments, equity = data.draw(books())
    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    book = Book("main", equity=equity, instruments=instruments, taken_at=NOW)
    marks = {line.symbol: price_of(line) for line in instruments}
    working: list[tuple[str, float, float]] = []
    for line in instruments:
        working += [
            (line.symbol, line.buying, price_of(line)),
            (line.symbol, -line.selling, price_of(line)),
        ]
    before = len(working)
    for _ in range(data.draw(st.integers(1, 12))):
        order = data.draw(orders(instruments, equity))
        if checks.check(order, book).allowed:
            working.append((order.symbol, order.side.sign * order.quantity, order.price))

    def after(filled: tuple[tuple[str, float, float], ...]) -> dict[PreTradeLimit, float]:
        held = {line.symbol: line.quantity for line in instruments}
        left = equity
        for symbol, quantity, price in filled:
            was = held[symbol]
            held[symbol] += quantity
            if abs(held[symbol]) > abs(was) or was * held[symbol] < 0:
                left -= max(quantity * (price - marks[symbol]), 0.0)
        return shares(held, marks, left)

    # Whichever of the purchases, and whichever of the sales, are filled.
    buys = tuple(fill for fill in working if fill[1] > 0)
    sells = tuple(fill for fill in working if fill[1] < 0)
    accepted = working[before:]
    if not accepted:
        return
    worst_before = worst(instruments, marks, equity)
    for filled in ((), buys, sells, buys + sells, tuple(accepted), *combinations(accepted, 1)):
        for limit, share in after(filled).items():
            if worst_before[limit] <= MOST[limit]:
                assert share <= MOST[limit] * (1 + 1e-9), (limit, filled)


def worst(
    instruments: tuple[Instrument, ...], marks: dict[str, float], equity: float
) -> dict[PreTradeLimit, float]:
    """The shares if, of every symbol, the worse of its working orders are filled."""
    held = {
        line.symbol: max(abs(line.quantity + line.buying), abs(line.quantity - line.selling))
        for line in instruments
    }
    return shares(held, marks, equity)


@given(st.data())
def test_a_position_can_always_be_closed_and_never_turned_around_by_reducing(
    data: st.DataObject,
) -> None:
    instruments, equity = data.draw(books())
    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    broken = data.draw(st.sampled_from([equity, 0.0, -1.0, math.nan]))
    taken_at = data.draw(st.sampled_from([NOW, 0.0, NOW + 9, math.nan]))
    book = Book("main", equity=broken, instruments=instruments, taken_at=taken_at)
    line = data.draw(st.sampled_from(instruments))
    side = Side.SELL if line.quantity > 0 else Side.BUY
    working = line.selling if line.quantity > 0 else line.buying
    left = abs(line.quantity) - working
    price = data.draw(st.sampled_from([price_of(line), 0.0, math.nan, 1e12]))
    for _ in range(5):
        part = data.draw(st.floats(0.01, 1.0)) * abs(line.quantity)
        if part == 0:
            return
        order = TradeOrder("main", line.symbol, side, part, price, reduce_only=True)
        fits = part <= left * (1 - 1e-12)
        decision = checks.check(order, book)
        if fits:
            assert decision.allowed, decision
        elif part > left * (1 + 1e-12):
            assert decision.limit is PreTradeLimit.REDUCE_ONLY
        left -= part if decision.allowed else 0.0


# -- how often ---------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 4) | st.just(0.0), max_size=60),
    st.integers(1, 5),
    st.sampled_from([0.5, 1.0, 5.0]),
)
def test_no_window_holds_more_orders_than_the_policy_allows(
    pauses: list[float], most: int, window: float
) -> None:
    hand = Hand()
    limits = replace(LIMITS, orders_max=most, orders_window_seconds=window, duplicate_seconds=0)
    checks = PreTradeChecks(limits, clock=hand)
    sent: list[float] = []
    for pause in pauses:
        hand.now += pause
        book = Book("main", equity=1e6, instruments=[Instrument("A", 1, NOW)], taken_at=NOW)
        book.taken_at = book.lines["A"].priced_at = hand.now
        decision = checks.check(TradeOrder("main", "A", Side.BUY, 1.0, 1.0), book)
        recent = [at for at in sent if hand.now - at < window]
        assert decision.allowed is (len(recent) < most)
        if decision.allowed:
            sent.append(hand.now)
        else:
            assert decision.limit is PreTradeLimit.ORDER_RATE
            assert (decision.value, decision.threshold) == (len(recent) + 1, most)


@given(st.lists(st.tuples(st.floats(0, 7), st.sampled_from([1.0, 2.0, 3.0])), max_size=40))
def test_the_same_order_passes_again_only_after_its_time(steps: list[tuple[float, float]]) -> None:
    hand = Hand()
    checks = PreTradeChecks(replace(LIMITS, orders_max=1000), clock=hand)
    sent: dict[float, float] = {}
    for pause, quantity in steps:
        hand.now += pause
        book = Book(
            "main", equity=1e6, instruments=[Instrument("A", 1, hand.now)], taken_at=hand.now
        )
        decision = checks.check(TradeOrder("main", "A", Side.BUY, quantity, 1.0), book)
        ago = hand.now - sent.get(quantity, -math.inf)
        assert decision.allowed is (ago >= LIMITS.duplicate_seconds)
        if decision.allowed:
            sent[quantity] = hand.now
        else:
            assert decision.limit is PreTradeLimit.DUPLICATE
            assert decision.value == pytest.approx(ago)


def test_what_differs_in_account_symbol_side_quantity_or_price_is_another_order(
    order: Make, book: Make, hand: Hand
) -> None:
    checks = PreTradeChecks(LIMITS, clock=hand)
    assert checks.check(order(symbol="GOOG", quantity=1.0, price=400.0), book()).allowed
    again = {"symbol": "GOOG", "quantity": 1.0, "price": 400.0}
    assert checks.check(order(**again), book()).limit is PreTradeLimit.DUPLICATE
    for other in ({"quantity": 2.0}, {"price": 401.0}, {"side": Side.SELL}, {"symbol": "MSFT"}):
        price = {"price": 50.0} if "symbol" in other else {}
        assert checks.check(order(**{**again, **other, **price}), book()).allowed, other
    elsewhere = Book("two", equity=1e5, instruments=[Instrument("GOOG", 400, NOW)], taken_at=NOW)
    assert checks.check(order(account="two", **again), elsewhere).allowed


def test_reducing_is_counted_and_never_throttled(order: Make, book: Make, hand: Hand) -> None:
    checks = PreTradeChecks(replace(LIMITS, orders_max=3), clock=hand)
    of = book()
    for _ in range(10):
        assert checks.check(order(side=Side.SELL, quantity=10.0), of).allowed
    # The same sale once more would go short, and is taken for the mistake that it is.
    assert checks.check(order(side=Side.SELL, quantity=10.0), of).limit is PreTradeLimit.ORDER_RATE
    hand.now += 4
    assert not checks.check(order(symbol="GOOG", quantity=1.0, price=400.0), book()).allowed


def test_a_clock_that_goes_back_refuses_rather_than_forgets(
    order: Make, book: Make, hand: Hand
) -> None:
    checks = PreTradeChecks(replace(LIMITS, orders_max=1), clock=hand)
    assert checks.check(order(), book()).allowed
    hand.now -= 500
    earlier = book(account={"taken_at": hand.now}, priced_at=hand.now)
    assert checks.check(order(quantity=11.0), earlier).limit is PreTradeLimit.ORDER_RATE


def test_a_missing_figure_is_a_refusal_and_no_exception(order: Make, book: Make) -> None:
    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    for missing in ({"price": None}, {"quantity": None}, {"stop": "95"}, {"edge_ratio": "1"}):
        decision = checks.check(order(**missing), book())
        assert not decision.allowed
        assert decision.limit is PreTradeLimit.FIGURES
    assert checks.check(order(), book(mark=None)).limit is PreTradeLimit.MARKET_PRICE


# Each 16 % of equity, at the market; what is held to begin with is nothing.
@pytest.mark.parametrize(
    ("symbols", "limit", "under"),
    [
        ("AB", PreTradeLimit.ASSET_CONCENTRATION, {"asset_max_ratio": 0.31}),
        ("ABC", PreTradeLimit.SECTOR_CONCENTRATION, {"sector_max_ratio": 0.47}),
        ("ABCD", PreTradeLimit.EXPOSURE, {}),
    ],
)
@pytest.mark.parametrize("side", Side)
def test_orders_that_fit_one_by_one_and_not_together_do_not_all_pass(
    symbols: str, limit: PreTradeLimit, under: dict[str, float], side: Side
) -> None:
    checks = PreTradeChecks(replace(LIMITS, **under), clock=lambda: NOW)  # type: ignore[arg-type]
    instruments = [
        Instrument(s, 10.0, NOW, asset=GROUPS[s][0], sector=GROUPS[s][1]) for s in SYMBOLS
    ]
    book = Book("main", equity=10_000.0, instruments=instruments, taken_at=NOW)
    *fit, last = (TradeOrder("main", symbol, side, 160.0, 10.0) for symbol in symbols)
    assert all(checks.check(order, book).allowed for order in fit)
    decision = checks.check(last, book)
    assert decision.limit is limit
    assert decision.value == pytest.approx(0.16 * len(symbols))


def test_what_bad_fills_will_cost_is_taken_from_the_equity_of_the_orders_after_them() -> None:
    checks = PreTradeChecks(LIMITS, clock=lambda: NOW)
    instruments = [Instrument(s, 10.0, NOW) for s in SYMBOLS]
    book = Book("main", equity=10_000.0, instruments=instruments, taken_at=NOW)
    # 160 at 10.50 cost 80 more than they are worth, twice.
    for symbol in "AB":
        assert checks.check(TradeOrder("main", symbol, Side.BUY, 160.0, 10.5), book).allowed
    decision = checks.check(TradeOrder("main", "C", Side.BUY, 197.0, 10.0), book)
    assert decision.limit is PreTradeLimit.ORDER_SIZE
    assert decision.value == pytest.approx(1970 / 9840)
    assert checks.check(TradeOrder("main", "C", Side.BUY, 170.0, 10.0), book).allowed


def test_a_refused_order_takes_nothing_from_those_after_it(order: Make, book: Make) -> None:
    checks = PreTradeChecks(replace(LIMITS, orders_max=1), clock=lambda: NOW)
    of = book()
    assert not checks.check(order(quantity=101.0), of).allowed
    assert checks.check(order(quantity=100.0), of).allowed


def test_threads_together_stay_within_the_limit(order: Make, book: Make) -> None:
    checks = PreTradeChecks(replace(LIMITS, orders_max=10_000), clock=lambda: NOW)
    of = book()
    passed: list[float] = []
    start = threading.Barrier(4)

    def trade(number: int) -> None:
        start.wait()
        for step in range(200):
            quantity = 1 + number * 1e-3 + step * 1e-6
            if checks.check(order(quantity=quantity), of).allowed:
                passed.append(quantity)

    threads = [threading.Thread(target=trade, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 98 < sum(passed) <= 100


# -- what a book does not know of --------------------------------------------------------------


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


def test_a_runtime_that_embeds_the_checks_loads_no_numpy_and_no_exporter() -> None:
    code = (
        "import sys, risk_runtime;"
        "sys.exit(any(n in sys.modules for n in ('numpy', 'risk_exporter', 'prometheus_client')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
