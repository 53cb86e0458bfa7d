"""What an order must pass before it is sent, beyond the thresholds that alerts watch too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from risk_policy.model.base import (
    AtMost,
    Count,
    Number,
    Percent,
    PositiveSeconds,
    Seconds,
    Section,
    SharePercent,
    SmallPercent,
    Switch,
)

#: What is traded, spelt as in a snapshot.
_Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,63}$")]
#: A cost, which may be none.
_Cost = Annotated[Number, Field(ge=0, le=100)]


class TradingCosts(Section):
    """``[alerting.pre_trade.costs]``: what one side of a trade costs, % of its notional.

    Attributes:
        fee_pct: what the venue takes.
        slippage_pct: how much worse than the quote a fill is.
        impact_pct: how far an order of ``impact_notional`` moves the price against itself; it
            grows with the square root of the order, and smaller orders have none.
        impact_notional: in the account's currency.
    """

    fee_pct: _Cost = 0.04
    slippage_pct: _Cost = 0.05
    impact_pct: _Cost = 0.01
    impact_notional: Annotated[Number, Field(gt=0, le=10**12)] = 1000


class PreTrade(Section):
    """``[alerting.pre_trade]``: what is checked in the runtime itself, before every order.

    The sizes of positions, concentrations, the risk of a position and the least edge are the
    thresholds of the alerts about them; what has no alert stands here.

    Attributes:
        exposure_max_pct: all that is held and ordered, longs and shorts added up, % of equity,
            unless the runtime names a limit for the account. Never above the breach of gross
            exposure.
        risk_per_trade_pct: what one order loses if its stop is hit, % of equity.
        require_stop: refuse an order that names no stop, so that its risk is unknown.
        require_edge: refuse an order that names no expected profit.
        order_max_pct: notional of one order, % of equity.
        price_collar_pct: how much worse than the market an order's price may be.
        resting_collar_pct: how far away from the market an order may rest.
        price_stale_seconds: an older price of a symbol is none.
        orders_max: orders within ``orders_window_seconds``.
        duplicate_seconds: the same order again within this time is a mistake; 0 takes it.
        disabled_symbols: nothing is bought or sold short there.
    """

    exposure_max_pct: SharePercent = 50
    risk_per_trade_pct: Annotated[Number, Percent(0.25, 5)] = 2
    require_stop: Switch = False
    require_edge: Switch = False
    order_max_pct: SharePercent = 20
    price_collar_pct: SmallPercent = 5
    resting_collar_pct: SmallPercent = 25
    price_stale_seconds: Annotated[
        PositiveSeconds, AtMost(3600, "an order would be held against a price of another hour")
    ] = 60
    orders_max: Count = 50
    orders_window_seconds: Annotated[
        PositiveSeconds, AtMost(3600, "an hour's orders at once are no rate")
    ] = 10
    duplicate_seconds: Annotated[
        Seconds, AtMost(3600, "an order that is meant could not be repeated for as long")
    ] = 5
    disabled_symbols: tuple[_Symbol, ...] = ()
    costs: TradingCosts = TradingCosts()
