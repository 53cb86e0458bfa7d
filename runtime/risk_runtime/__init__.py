"""What a trading runtime embeds: pre-trade checks and the trade gate, asked before every order.

Importing this package is cheap: no numpy, no exporter. The paper runtime is in
``risk_runtime.paper``.
"""

from __future__ import annotations

from risk_runtime.dead_man import CancelAllAfter, DeadMansSwitch
from risk_runtime.errors import InvalidOrderError, RiskRuntimeError
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import Decision, GateReading, GateState
from risk_runtime.order import Order, Side
from risk_runtime.pretrade import (
    Book,
    Instrument,
    PreTradeChecks,
    PreTradeDecision,
    PreTradeLimit,
    PreTradeLimits,
    TradeOrder,
)

__all__ = [
    "Book",
    "CancelAllAfter",
    "DeadMansSwitch",
    "Decision",
    "GateReading",
    "GateState",
    "Instrument",
    "InvalidOrderError",
    "Order",
    "PreTradeChecks",
    "PreTradeDecision",
    "PreTradeLimit",
    "PreTradeLimits",
    "RiskRuntimeError",
    "Side",
    "TradeGate",
    "TradeOrder",
]
