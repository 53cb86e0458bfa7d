"""Orders one after another: together they keep every limit, and nobody is trapped or flooded."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trade_books import (
    GROUPS,
    LIMITS,
    NOW,
    SYMBOLS,
    Hand,
    Make,
    books,
    orders,
    price_of,
)

from risk_runtime import (
    Book,
    Instrument,
    PreTradeChecks,
    PreTradeLimit,
    Side,
    TradeOrder,
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


@pytest.mark.parametrize(
    ("limit", "others", "left_alone"),
    [
        (PreTradeLimit.POSITION_SIZE, {"A": 199.0}, {"A": 201.0}),
        (PreTradeLimit.ASSET_CONCENTRATION, {"A": 150.0, "B": 149.0}, {"A": 151.0, "B": 150.0}),
        (PreTradeLimit.SECTOR_CONCENTRATION, {"A": 190.0, "B": 100.0, "E": 109.0}, {}),
    ],
)
def test_an_order_that_costs_equity_pushes_no_other_share_beyond_its_limit(
    limit: PreTradeLimit, others: dict[str, float], left_alone: dict[str, float]
) -> None:
    """It is 0.6 % of equity that this one would lose as soon as it is filled."""
    assets = {"A": "x", "B": "x", "D": "z", "E": "e"}
    sectors = {"A": "one", "B": "one", "E": "one", "D": "two"}
    limits = replace(LIMITS, asset_max_ratio=0.3, sector_max_ratio=0.4, exposure_max_ratio=1.0)

    def decided(held: dict[str, float]) -> PreTradeLimit | None:
        instruments = [
            Instrument(
                symbol, mark=1.0, priced_at=NOW, quantity=held.get(symbol, 0.0),
                asset=assets[symbol], sector=sectors[symbol],
            )
            for symbol in assets
        ]  # fmt: skip
        book = Book("main", equity=1000.0, instruments=instruments, taken_at=NOW)
        order = TradeOrder("main", "D", Side.BUY, 130.0, 1.048, 1.0, 0.05)
        return PreTradeChecks(limits, clock=lambda: NOW).check(order, book).limit

    assert decided({}) is None
    assert decided(others) is limit
    if left_alone:
        assert decided(left_alone) is None, "what was beyond it before is not its doing"


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


def test_a_runtime_that_embeds_the_checks_loads_no_numpy_and_no_exporter() -> None:
    code = (
        "import sys, risk_runtime;"
        "sys.exit(any(n in sys.modules for n in ('numpy', 'risk_exporter', 'prometheus_client')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
