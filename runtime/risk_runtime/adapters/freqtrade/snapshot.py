"""The bot's account as the exporter takes it.

Equity is the starting capital plus realised and open profit. The bot's own ``/balance`` total lags
behind the market, and its drawdown knows closed trades only, so neither is used. A figure that the
bot does not know is not made up: without the price of everything that is held there is no snapshot,
and the alert about old snapshots says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from risk_policy.contracts.gating import ToldGating, TradingEnvironment
from risk_policy.contracts.snapshot import Position, Snapshot
from risk_runtime.adapters.freqtrade.bot import Trade
from risk_runtime.adapters.freqtrade.errors import NotPricedError

#: A bot does not tell sectors.
SECTOR: Final = "unknown"
_MINUTE: Final = timedelta(minutes=1)


def symbol_of(pair: str) -> str:
    """``BTC/USDT`` as labels may carry it: ``BTC-USDT``."""
    return pair.replace("/", "-")


def snapshot_of(
    trades: Iterable[Trade],
    *,
    account: str,
    currency: str,
    starting_capital: float,
    profit: float | None,
    taken_at: datetime,
    gating: ToldGating | None = None,
) -> Snapshot:
    """Everything the bot holds, at the prices it last saw.

    Raises:
        NotPricedError: the bot does not know what it holds is worth.
    """
    held = [trade for trade in trades if trade.quantity]
    if profit is None:
        raise NotPricedError("the bot does not know its open profit; it lacks a price")
    positions = tuple(_position(trade, taken_at) for trade in held)
    equity = starting_capital + profit
    return Snapshot(
        account=account,
        currency=currency,
        equity=equity,
        cash=equity - sum(position.notional for position in positions),
        positions=positions,
        taken_at=taken_at,
        market_time=taken_at,
        reports_stops=True,
        gating=gating,
    )


def gating_of(*, dry_run: bool) -> ToldGating:
    """What stands between a bot and the exchange: whether it runs dry, and nothing else."""
    return ToldGating(
        mode=TradingEnvironment.PAPER if dry_run else TradingEnvironment.LIVE,
        enable_live_trading=True,
        live_mode_armed=True,
        live_dry_run=dry_run,
        require_confirm_token=False,
    )


def _position(trade: Trade, now: datetime) -> Position:
    if not trade.current_rate or trade.current_rate <= 0:
        raise NotPricedError(f"the bot has no current price of {trade.pair}")
    opened = datetime.fromtimestamp(trade.open_timestamp / 1000, tz=now.tzinfo)
    periods = (now - opened) / (trade.timeframe * _MINUTE) if trade.timeframe else None
    stop = trade.stop_loss_abs
    return Position(
        symbol=symbol_of(trade.pair),
        quantity=trade.quantity,
        mark=trade.current_rate,
        average_price=trade.open_rate,
        asset=trade.base_currency,
        sector=SECTOR,
        stop=stop if stop and stop > 0 else None,
        held_periods=None if periods is None else max(periods, 0.0),
    )
