"""The policy replayed over history: what would have fired, and what would have followed.

Pure, as the whole package is: history and policy in, files for promtool out; what promtool
printed in, alerts and verdict out. Whoever runs promtool stands outside (``riskwarden backtest``).

Nothing here decides whether an alert fires. Prometheus's own engine does, on the generated
rules; what is decided here is only which stretches of history cannot matter to a limit
(:mod:`risk_rules.backtest.calm`) and how time runs (:mod:`risk_rules.backtest.clock`).
"""

from risk_rules.backtest.clock import Clock
from risk_rules.backtest.episodes import Episode, Escalated, episodes
from risk_rules.backtest.errors import BacktestError, EngineOutputError
from risk_rules.backtest.history import History, Series
from risk_rules.backtest.jobs import Job, Replay
from risk_rules.backtest.output import Firing, merged
from risk_rules.backtest.verdict import Verdict, judge

__all__ = [
    "BacktestError",
    "Clock",
    "EngineOutputError",
    "Episode",
    "Escalated",
    "Firing",
    "History",
    "Job",
    "Replay",
    "Series",
    "Verdict",
    "episodes",
    "judge",
    "merged",
]
