"""Days as an exporter would have recorded them, had it watched a history.

It is the exporter itself that measures and records, in a folder of its own that is thrown away: a
replay judges the very figures that a live account is watched by.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from risk_exporter import RiskExporter
from risk_exporter.days import DayRecord, read_days
from risk_exporter.memory import AccountFolder
from risk_policy import Policy
from riskwarden.backtest.errors import BacktestInputError
from riskwarden.backtest.inputs import Kind, Source
from riskwarden.backtest.measured import memory_folder


def replayed_days(
    policy: Policy,
    source: Source,
    *,
    confidence_pct: float | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[DayRecord]:
    """Every day of a history, at the policy's level of confidence unless another is asked for.

    Raises:
        BacktestInputError: the history does not say what is held.
        ExporterError: a snapshot cannot be taken in.
    """
    if source.kind is Kind.EQUITY:
        raise BacktestInputError(
            source.name, 0, "", "says what the account was worth and not what it held, so it has "
            "no value at risk; give prices or snapshots",
        )  # fmt: skip
    now: list[datetime] = []
    with tempfile.TemporaryDirectory(prefix="riskwarden-var-", dir=memory_folder()) as folder:
        with RiskExporter(_at(policy, confidence_pct), Path(folder), clock=lambda: now[-1]) as one:
            for row, snapshot in enumerate(source.snapshots):
                now[:] = [snapshot.taken_at]
                if not row:
                    closes = {symbol: dict(days) for symbol, days in source.closes.items()}
                    one.seed_closes(source.account, closes)
                one.observe(snapshot)
                progress(row + 1, len(source.snapshots))
        account = Path(folder) / source.account
        state = AccountFolder(account).load()
        days = read_days(account)
    return days if state is None else [*days, state.as_day]


def _at(policy: Policy, confidence_pct: float | None) -> Policy:
    if confidence_pct is None:
        return policy
    alerting = policy.alerting
    measures = alerting.measures.model_copy(update={"var_confidence_pct": confidence_pct})
    return policy.model_copy(
        update={"alerting": alerting.model_copy(update={"measures": measures})}
    )
