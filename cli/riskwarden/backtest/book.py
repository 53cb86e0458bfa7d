"""A book replayed without a gate: the snapshots that a runtime would have sent.

It is the paper runtime's own desk, broker and strategy; only the gate is open for good, and no
pre-trade check stands before it, so that neither changes anything and what the kill switch does
can be told from what happened without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from risk_policy.contracts.scope import Subject
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import Decision, GateState
from risk_runtime.order import Order
from risk_runtime.paper.broker import BrokerState, PaperBroker
from risk_runtime.paper.desk import Desk, Told
from risk_runtime.paper.replay import market_close
from risk_runtime.paper.snapshot import snapshot_of
from risk_runtime.paper.strategy import (
    EqualWeightStrategy,
    StrategySettings,
    Wish,
    wishes_for,
)
from risk_runtime.prices import Bar, TradingDay

#: The share of equity that equal weights may take together.
_INVESTED: Final = Decimal("0.9")
_UNIT: Final = Decimal("0.00000001")
_ALLOWED: Final = Decision(
    allowed=True, reason="a backtest knows no gate", state=GateState.OPEN, gate_version=0
)


class OpenGate(TradeGate):
    """A gate that allows everything, and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.asked: list[Order] = []

    def check(self, order: Order) -> Decision:
        """Yes."""
        self.asked.append(order)
        return _ALLOWED

    def size_ratio(self, subject: Subject) -> float:  # noqa: ARG002 - the same
        """All of it."""
        return 1.0


class WeightsStrategy(EqualWeightStrategy):
    """Given weights, restored now and then, in fractions of a unit if need be."""

    def __init__(self, weights: Mapping[str, Decimal]) -> None:
        super().__init__()
        self._weights = weights

    def wishes(
        self,
        day_number: int,
        bars: Mapping[str, Bar],
        equity: Decimal,
        held: Mapping[str, Decimal],
    ) -> tuple[Wish, ...]:
        """What to trade at a row: sales first."""
        if not self.rebalances_on(day_number) or equity <= 0:
            return ()
        targets = {
            symbol: (equity * self._weights.get(symbol, Decimal(0)) / bar.close).quantize(_UNIT)
            for symbol, bar in bars.items()
        }
        return wishes_for(targets, held)


def strategy_for(
    symbols: tuple[str, ...], weights: Mapping[str, Decimal] | None
) -> EqualWeightStrategy:
    """The paper runtime's own unless weights are given; its weights fit any number of symbols."""
    if weights is not None:
        return WeightsStrategy(weights)
    usual = StrategySettings()
    return EqualWeightStrategy(
        StrategySettings(weight_ratio=min(usual.weight_ratio, _INVESTED / len(symbols)))
    )


def replayed(
    days: tuple[TradingDay, ...], account: str, cash: Decimal, strategy: EqualWeightStrategy
) -> Iterator[tuple[Snapshot, tuple[Order, ...]]]:
    """One snapshot per day, at its close, and the orders that led to it."""
    broker, gate = PaperBroker(BrokerState(cash=cash)), OpenGate()
    desk = Desk(account, broker, gate, strategy, None)
    for number, day in enumerate(days):
        gate.asked = []
        desk.play(day, number)
        desk.told = Told()
        at = market_close(day.date)
        yield snapshot_of(broker, account, at, at), tuple(gate.asked)
