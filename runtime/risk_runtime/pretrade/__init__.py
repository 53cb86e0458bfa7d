"""Pre-trade checks: an order against the book and the policy, in one to two microseconds."""

from __future__ import annotations

from risk_runtime.pretrade.book import Book, Instrument
from risk_runtime.pretrade.checks import PreTradeChecks
from risk_runtime.pretrade.decision import PreTradeDecision, PreTradeLimit
from risk_runtime.pretrade.judge import judge
from risk_runtime.pretrade.limits import PreTradeLimits
from risk_runtime.pretrade.order import TradeOrder

__all__ = [
    "Book",
    "Instrument",
    "PreTradeChecks",
    "PreTradeDecision",
    "PreTradeLimit",
    "PreTradeLimits",
    "TradeOrder",
    "judge",
]
