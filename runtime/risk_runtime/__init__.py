"""What a trading runtime embeds: the trade gate, asked before every order.

Importing this package is cheap: no numpy, no exporter. The paper runtime is in
``risk_runtime.paper``.
"""

from __future__ import annotations

from risk_runtime.errors import InvalidOrderError, RiskRuntimeError
from risk_runtime.gate import Decision, GateReading, GateState, TradeGate
from risk_runtime.order import Order, Side

__all__ = [
    "Decision",
    "GateReading",
    "GateState",
    "InvalidOrderError",
    "Order",
    "RiskRuntimeError",
    "Side",
    "TradeGate",
]
