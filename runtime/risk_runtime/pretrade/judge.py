"""Whether one order may be sent, from the order, the book, the policy and the time. Pure.

Safety rules, all of them in the direction of refusing:

* What cannot be judged is refused: no number, no price, an unknown symbol or account, an equity
  that is not positive, figures that are too old or not yet true. Comparisons are written so that
  NaN never passes one.
* What only reduces risk passes before anything else is looked at, however old the book and
  whatever the price: nobody is trapped. It has to be proven by what is held, less what working
  orders will take away; an order that says that it only reduces, and would do more, is refused.
* Everything else is judged by the worst that it and all working orders can make of the book
  together. An order that is accepted leaves every limit kept, whichever of them are filled.
"""

from __future__ import annotations

import math
from typing import Final

from risk_runtime.order import Side
from risk_runtime.pretrade.book import Book, Line
from risk_runtime.pretrade.decision import (
    REDUCES,
    WITHIN,
    PreTradeDecision,
    PreTradeLimit,
    refused,
)
from risk_runtime.pretrade.limits import PreTradeLimits
from risk_runtime.pretrade.order import TradeOrder
from risk_runtime.pretrade.throttle import Key, Throttle

_INF: Final = math.inf
_NAN: Final = math.nan
_sqrt: Final = math.sqrt
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL


def judge(order: TradeOrder, book: Book, limits: PreTradeLimits, now: float) -> PreTradeDecision:
    """Whether an order may be sent, by the order and the book alone; nothing is changed.

    Args:
        now: the time, by the clock that the book's times were taken from.
    """
    return decide(order, book, limits, now, None)


def decide(
    order: TradeOrder, book: Book, limits: PreTradeLimits, now: float, throttle: Throttle | None
) -> PreTradeDecision:
    """The same; with a throttle that agrees, an order that may be sent is counted as sent."""
    # One function and no helpers on the way to "yes": every call costs a tenth of the whole.
    quantity = order.quantity
    line = book.lines.get(order.symbol)
    if line is None or order.account != book.account or not quantity > 0.0:
        return _nonsense(order, book)
    side: object = order.side  # whatever the caller believes it to be
    if side is _BUY:
        reducible = -line.most
    elif side is _SELL:
        reducible = line.least
    else:
        return _nonsense(order, book)
    if quantity <= reducible:
        if not quantity < _INF:
            return _nonsense(order, book)
        if throttle is not None:
            throttle.take(order, _key(order), now)
            book.count(order)
            book.told = throttle.count
        return REDUCES
    price, mark, equity = order.price, line.mark, book.equity
    if side is _BUY:
        most, least, worse = line.most + quantity, line.least, price - mark
    else:
        most, least, worse = line.most, line.least - quantity, mark - price
    notional = quantity * (price if price > mark else mark)
    # Together these also refuse a quantity, a price, a market price and an equity that are no
    # number, infinite or not positive: the collars tie the price to the market's, the size ties
    # both to the equity, and what compares with NaN is false.
    if (
        order.reduce_only
        or not price > 0.0
        or not -limits.resting_collar_ratio * mark <= worse <= limits.price_collar_ratio * mark
        or not notional <= limits.order_max_ratio * equity < _INF
        or not 0.0 <= now - book.taken_at <= limits.book_stale_seconds
        or not 0.0 <= now - line.priced_at <= limits.price_stale_seconds
        or (limits.disabled_symbols and order.symbol in limits.disabled_symbols)
    ):
        return _why_not(order, book, line, limits, now, reducible)
    if worse > 0.0:
        equity -= quantity * worse  # as soon as it is filled
        if (
            book.largest_line > limits.position_usage_ratio * (limits.position_max_ratio * equity)
            or book.largest_asset > limits.asset_max_ratio * equity
            or book.largest_sector > limits.sector_max_ratio * equity
        ):
            pushed = _pushed_over(book, limits, equity)
            if pushed is not None:
                return pushed
    amount = (most if most > -least else -least) * mark
    most_notional = line.max_notional
    if most_notional is None:
        most_notional = limits.position_max_ratio * equity
    if not amount <= limits.position_usage_ratio * most_notional:
        return _share(
            PreTradeLimit.POSITION_SIZE, f"position {order.symbol}", amount, equity,
            limits.position_usage_ratio * most_notional,
        )  # fmt: skip
    grown = amount - line.amount
    asset, sector = line.asset, line.sector
    in_asset = asset.amount + grown
    if not in_asset <= limits.asset_max_ratio * equity:
        return _share(
            PreTradeLimit.ASSET_CONCENTRATION, f"the asset of {order.symbol}", in_asset, equity,
            limits.asset_max_ratio * equity,
        )  # fmt: skip
    in_sector = sector.amount + grown
    if not in_sector <= limits.sector_max_ratio * equity:
        return _share(
            PreTradeLimit.SECTOR_CONCENTRATION, f"the sector of {order.symbol}", in_sector, equity,
            limits.sector_max_ratio * equity,
        )  # fmt: skip
    gross = book.gross + grown
    most_held = book.max_exposure
    if most_held is None:
        most_held = limits.exposure_max_ratio * equity
    if not gross <= most_held:
        return _share(PreTradeLimit.EXPOSURE, "all positions together", gross, equity, most_held)
    stop = order.stop
    if stop is None:
        if limits.require_stop:
            return refused(
                PreTradeLimit.STOP, _NAN, _NAN, "it names no stop, so its risk is unknown"
            )
    else:
        if side is _BUY:
            distance, held = price - stop, line.most
            lost = line.paid - held * (stop if stop < mark else mark)
        else:
            distance, held = stop - price, -line.least
            lost = held * (stop if stop > mark else mark) - line.got
        if not 0.0 < distance < _INF or not stop > 0.0:
            return _stop_on_the_wrong_side(stop, price)
        risk = quantity * distance
        if not risk <= limits.risk_per_trade_ratio * equity:
            return _risk(PreTradeLimit.RISK_PER_TRADE, risk / equity, limits.risk_per_trade_ratio)
        if held > 0.0:
            risk += lost
        if not risk <= limits.position_risk_ratio * equity:
            return _risk(PreTradeLimit.POSITION_RISK, risk / equity, limits.position_risk_ratio)
    edge = order.edge_ratio
    if edge is None:
        if limits.require_edge:
            return refused(
                PreTradeLimit.EDGE, _NAN, limits.min_edge_ratio, "it names no expected profit"
            )
    else:
        edge -= limits.round_trip_ratio
        if notional > limits.impact_notional:
            edge -= limits.impact_ratio * _sqrt(notional / limits.impact_notional)
        if not limits.min_edge_ratio <= edge < _INF:
            return refused(
                PreTradeLimit.EDGE, edge, limits.min_edge_ratio,
                f"its edge after costs is {edge:.3%}, less than {limits.min_edge_ratio:.3%}",
            )  # fmt: skip
    if throttle is not None:
        if throttle.count != book.told:
            # A signal's handler has sent something in the middle of this.
            throttle.tell(book)
            return decide(order, book, limits, now, throttle)
        refusal = throttle.admit(
            order,
            (order.account, order.symbol, quantity if side is _BUY else -quantity, price),
            now,
        )
        if refusal is not None:
            return refusal
        if side is _BUY:
            line.paid += (quantity if line.most >= 0.0 else max(most, 0.0)) * price
            line.most = most
        else:
            line.got += (quantity if line.least <= 0.0 else max(-least, 0.0)) * price
            line.least = least
        line.amount = amount
        asset.amount, sector.amount, book.gross = in_asset, in_sector, gross
        # As Book.grew does.
        if amount > book.largest_line and line.max_notional is None:
            book.largest_line = amount
        if in_asset > book.largest_asset:
            book.largest_asset = in_asset
        if in_sector > book.largest_sector:
            book.largest_sector = in_sector
        book.equity, book.told = equity, throttle.count
    return WITHIN


# -- what is not on the way to "yes": refusals, each with its sentence -------------------------


def _key(order: TradeOrder) -> Key:
    quantity = order.quantity if order.side is _BUY else -order.quantity
    return (order.account, order.symbol, quantity, order.price)


def _nonsense(order: TradeOrder, book: Book) -> PreTradeDecision:
    if order.account != book.account:
        return refused(
            PreTradeLimit.ACCOUNT, _NAN, _NAN,
            f"the book is that of account {book.account!r}, not {order.account!r}",
        )  # fmt: skip
    if order.symbol not in book.lines:
        return refused(
            PreTradeLimit.SYMBOL, _NAN, _NAN, f"the book does not know symbol {order.symbol!r}"
        )
    if not 0.0 < order.quantity < _INF:
        return refused(
            PreTradeLimit.QUANTITY, order.quantity, 0.0,
            f"its quantity is {order.quantity:g}; it must be finite and positive",
        )  # fmt: skip
    return refused(PreTradeLimit.SIDE, _NAN, _NAN, f"its side is {order.side!r}, no Side")


def _why_not(
    order: TradeOrder,
    book: Book,
    line: Line,
    limits: PreTradeLimits,
    now: float,
    reducible: float,
) -> PreTradeDecision:
    """The first thing that is wrong with the figures an order is judged by, or with the order."""
    name = PreTradeLimit
    if not order.quantity < _INF:
        return _nonsense(order, book)
    if order.reduce_only:
        held = max(reducible, 0.0)
        sentence = f"it may only reduce, and {held:g} units are left to reduce"
        return refused(name.REDUCE_ONLY, order.quantity, held, sentence)
    if order.symbol in limits.disabled_symbols:
        return refused(
            name.DISABLED_SYMBOL, _NAN, _NAN, f"{order.symbol} is disabled by the policy"
        )
    age = now - book.taken_at
    if not 0.0 <= age <= limits.book_stale_seconds:
        return _age(name.BOOK_AGE, "the book", age, limits.book_stale_seconds)
    mark, price, equity = line.mark, order.price, book.equity
    if not 0.0 < mark < _INF:
        sentence = f"the price of {order.symbol} is {mark:g}, which is none"
        return refused(name.MARKET_PRICE, mark, 0.0, sentence)
    age = now - line.priced_at
    if not 0.0 <= age <= limits.price_stale_seconds:
        what = f"the price of {order.symbol}"
        return _age(name.PRICE_AGE, what, age, limits.price_stale_seconds)
    if not 0.0 < price < _INF:
        sentence = f"its price is {price:g}; it must be finite and positive"
        return refused(name.PRICE, price, 0.0, sentence)
    if not 0.0 < equity < _INF:
        sentence = f"equity is {equity:g}; without any, nothing can be risked"
        return refused(name.EQUITY, equity, 0.0, sentence)
    worse = price - mark if order.side is _BUY else mark - price
    if not -limits.resting_collar_ratio * mark <= worse <= limits.price_collar_ratio * mark:
        return _collar(worse / mark, limits)
    share, most = order.quantity * max(price, mark) / equity, limits.order_max_ratio
    sentence = f"the order comes to {share:.2%} of equity, more than {most:.2%}"
    return refused(name.ORDER_SIZE, share, most, sentence)


def _age(limit: PreTradeLimit, what: str, age: float, most: float) -> PreTradeDecision:
    says = f"{age:.1f} s old, more than {most:g} s" if age >= 0 else "from the future, or undated"
    return refused(limit, age, most, f"{what} is {says}")


def _collar(worse: float, limits: PreTradeLimits) -> PreTradeDecision:
    if worse > 0:
        most = limits.price_collar_ratio
        sentence = f"its price is {worse:.2%} worse than the market's, more than {most:.2%}"
        return refused(PreTradeLimit.PRICE_COLLAR, worse, most, sentence)
    most = limits.resting_collar_ratio
    sentence = f"its price is {-worse:.2%} away from the market's, more than {most:.2%}"
    return refused(PreTradeLimit.RESTING_COLLAR, -worse, most, sentence)


def _share(
    limit: PreTradeLimit, what: str, amount: float, equity: float, most: float
) -> PreTradeDecision:
    value, threshold = amount / equity, most / equity
    sentence = f"{what} would come to {value:.2%} of equity, more than {threshold:.2%}"
    return refused(limit, value, threshold, sentence)


def _pushed_over(book: Book, limits: PreTradeLimits, equity: float) -> PreTradeDecision | None:
    """What was within its share of equity, and is not within it of what an order leaves of that.

    What was beyond it before is not this order's doing.
    """
    name, before = PreTradeLimit, book.equity

    def is_pushed(amount: float, ratio: float, usage: float = 1.0) -> bool:
        return usage * (ratio * equity) < amount <= usage * (ratio * before)

    usage, of_position = limits.position_usage_ratio, limits.position_max_ratio
    of_asset, of_sector = limits.asset_max_ratio, limits.sector_max_ratio
    for symbol, line in book.lines.items():
        if line.max_notional is None and is_pushed(line.amount, of_position, usage):
            most = usage * of_position * equity
            return _share(name.POSITION_SIZE, f"position {symbol}", line.amount, equity, most)
        if is_pushed(line.asset.amount, of_asset):
            held, most, what = line.asset.amount, of_asset * equity, f"the asset of {symbol}"
            return _share(name.ASSET_CONCENTRATION, what, held, equity, most)
        if is_pushed(line.sector.amount, of_sector):
            held, most, what = line.sector.amount, of_sector * equity, f"the sector of {symbol}"
            return _share(name.SECTOR_CONCENTRATION, what, held, equity, most)
    return None


def _stop_on_the_wrong_side(stop: float, price: float) -> PreTradeDecision:
    sentence = f"its stop at {stop:g} would be hit at once at {price:g}, or is none"
    return refused(PreTradeLimit.STOP, stop, price, sentence)


def _risk(limit: PreTradeLimit, value: float, most: float) -> PreTradeDecision:
    what = "it" if limit is PreTradeLimit.RISK_PER_TRADE else "the position"
    sentence = f"{what} would lose {value:.2%} of equity at its stop, more than {most:.2%}"
    return refused(limit, value, most, sentence)
