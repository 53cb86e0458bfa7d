"""What can go wrong in a backtest. No verdict is given then."""

from __future__ import annotations

from risk_rules.errors import RulesError


class BacktestError(RulesError):
    """A history cannot be replayed as it is."""


class EngineOutputError(BacktestError):
    """promtool said something other than what fired."""
