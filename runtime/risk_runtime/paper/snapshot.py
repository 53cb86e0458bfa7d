"""The paper account as the exporter takes it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from risk_policy.contracts.gating import Gating, ToldGating
from risk_policy.contracts.snapshot import Position, Snapshot
from risk_runtime.paper.broker import PaperBroker
from risk_runtime.paper.strategy import SECTORS, UNKNOWN_SECTOR

#: There is no way from here to any market, whatever anybody sets.
_GATING: Final = ToldGating.of(Gating())


def snapshot_of(
    broker: PaperBroker, account: str, taken_at: datetime, market_time: datetime
) -> Snapshot:
    """Everything the broker holds at its last marks, and how its latest trades went.

    It has no stops, no margin, no limits by strategy or venue and no market data but daily bars,
    so it tells nothing of them.
    """
    return Snapshot(
        account=account,
        equity=float(broker.equity),
        cash=float(broker.cash),
        positions=tuple(
            Position(
                symbol=symbol,
                quantity=float(holding.quantity),
                mark=float(broker.mark(symbol)),
                average_price=float(holding.average_price),
                sector=SECTORS.get(symbol, UNKNOWN_SECTOR),
            )
            for symbol, holding in broker.holdings.items()
        ),
        taken_at=taken_at,
        market_time=market_time,
        consecutive_losses=broker.losses_in_row,
        gating=_GATING,
    )
