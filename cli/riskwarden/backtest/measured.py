"""Snapshots as the exporter shows them, row by row: the history that rules are replayed over."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from risk_exporter import RiskExporter
from risk_policy import Policy
from risk_policy.contracts import alert as labels
from risk_policy.contracts.snapshot import Snapshot
from risk_rules.backtest import History, Series

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
Closes = Mapping[str, Mapping[str, float]]


def measured(
    policy: Policy,
    account: str,
    snapshots: Iterable[Snapshot],
    closes: Closes,
    source: str,
    progress: Callable[[], None] = lambda: None,
) -> History:
    """Every watched figure of every snapshot.

    Args:
        closes: prices from before the first snapshot, for value at risk.

    Raises:
        ExporterError: a snapshot cannot be taken in.
        BacktestError: there are none, or they are out of order.
    """
    times: list[datetime] = []
    equity: list[float] = []
    columns: dict[tuple[str, tuple[tuple[str, str], ...]], list[float | None]] = {}
    now: list[datetime] = []
    with tempfile.TemporaryDirectory(prefix="riskwarden-backtest-", dir=memory_folder()) as folder:
        exporter = RiskExporter(policy, Path(folder), clock=lambda: now[-1])
        with exporter:
            for row, snapshot in enumerate(snapshots):
                now[:] = [snapshot.taken_at]
                if not row:
                    exporter.seed_closes(account, {s: dict(d) for s, d in closes.items()})
                exporter.observe(snapshot)
                times.append(snapshot.market_time)
                equity.append(snapshot.equity)
                for block in exporter.blocks():
                    for names, value in zip(block.labels, block.values.tolist(), strict=True):
                        if labels.RISK_ID not in names:
                            continue
                        key = (block.metric.name, tuple(names.items()))
                        column = columns.setdefault(key, [])
                        column += [None] * (row - len(column))
                        column.append(value)
                progress()
    rows = len(times)
    series = tuple(
        Series(metric, dict(names), (*column, *[None] * (rows - len(column))))
        for (metric, names), column in columns.items()
    )
    return History(account, tuple(times), tuple(equity), series, source)


def memory_folder() -> Path | None:
    """A folder in memory, if there is one: nothing here has to survive, and syncing is slow."""
    return _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None
