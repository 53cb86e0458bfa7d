"""The nautilus account as the exporter takes it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from nautilus_trader.common import Environment
from nautilus_trader.model.enums import OrderSide, OrderType

from risk_policy.contracts.gating import Gating, ToldGating, TradingEnvironment
from risk_policy.contracts.snapshot import Event, Position, Snapshot
from risk_runtime.adapters.nautilus.account import NautilusAccount, Net

_STOPS: Final = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


class UnpricedError(Exception):
    """Something is held that nobody can put a price on, so there are no figures of the account."""


def snapshot_of(
    account: NautilusAccount,
    *,
    taken_at: datetime,
    market_time: datetime,
    reports_stops: bool,
    consecutive_losses: int,
    events: tuple[Event, ...],
    gating: ToldGating,
) -> Snapshot:
    """Everything that is held at its latest prices.

    Raises:
        UnpricedError: naming what has no price.
    """
    account.look_afresh()
    equity = account.equity()
    positions = []
    for net in account.nets().values():
        symbol, mark = account.symbol(net.instrument_id), account.mark(net.instrument_id).value
        if not math.isfinite(mark):
            raise UnpricedError(f"{symbol} has no price in {account.currency}")
        positions.append(
            Position(
                symbol=symbol,
                quantity=net.quantity,
                mark=mark,
                average_price=net.average_price or mark,
                sector=account.sector(net.instrument_id),
                stop=_stop_of(account, net) if reports_stops else None,
            )
        )
    if not math.isfinite(equity):
        raise UnpricedError(f"a balance or a position has no price in {account.currency}")
    return Snapshot(
        account=account.name,
        currency=str(account.currency),
        equity=equity,
        cash=account.cash(),
        positions=tuple(positions),
        taken_at=taken_at,
        market_time=min(market_time, taken_at),
        reports_stops=reports_stops,
        margin_used=account.margin_used(),
        consecutive_losses=consecutive_losses,
        events=events,
        gating=gating,
    )


def gating_of(environment: Environment) -> ToldGating:
    """What stands between a trader and its venues: what its kernel was configured for.

    A backtest has no venue. A sandbox is one by its configuration alone, and nothing else holds a
    live trader back.
    """
    if environment is Environment.BACKTEST:
        return ToldGating.of(Gating())
    is_sandbox = environment is Environment.SANDBOX
    return ToldGating(
        mode=TradingEnvironment.PAPER if is_sandbox else TradingEnvironment.LIVE,
        enable_live_trading=True,
        live_mode_armed=True,
        live_dry_run=False,
        require_confirm_token=False,
    )


def _stop_of(account: NautilusAccount, net: Net) -> float | None:
    """Where all of it is closed at the latest; None while stops cover only a part of it."""
    closing = OrderSide.SELL if net.quantity > 0 else OrderSide.BUY
    covered, triggers = 0.0, list[float]()
    for order in _stops_in(account.working(), net.instrument_id):
        if order.side == closing:
            covered += float(order.leaves_qty)
            triggers.append(float(order.trigger_price))
    if covered < abs(net.quantity):
        return None
    furthest = min(triggers) if net.quantity > 0 else max(triggers)
    value = furthest * account.mark(net.instrument_id).unit
    return value if 0 < value < math.inf else None


def _stops_in(orders: Iterable[Any], instrument_id: Any) -> Iterable[Any]:
    return (
        order
        for order in orders
        if order.instrument_id == instrument_id and order.order_type in _STOPS
    )
