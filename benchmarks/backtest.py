"""Seconds for a backtest of many rows: measuring, replaying, and evaluations a second.

The rows are the bundled book's returns, repeated: an account's equity alone, then the book of
five positions. Takes about a minute: ``python benchmarks/backtest.py [rows]``.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from risk_policy import default_policy_path, load_policy
from risk_policy.contracts.snapshot import Snapshot
from riskwarden.backtest.inputs import Book, Kind, Source, read
from riskwarden.backtest.runs import Progress, Run, Wish, backtest


def _equity(book: Sequence[Snapshot], rows: int) -> list[Snapshot]:
    """An account whose returns are the book's, over and over, one a minute."""
    found: list[Snapshot] = []
    equity, at = 1_000_000.0, book[0].market_time
    for row in range(rows):
        earlier, later = book[row % (len(book) - 1)], book[row % (len(book) - 1) + 1]
        equity *= later.equity / earlier.equity
        at += timedelta(minutes=1)
        found.append(
            Snapshot(
                account="main",
                equity=equity,
                cash=equity,
                positions=(),
                taken_at=at,
                market_time=at,
            )
        )
    return found


def _report(name: str, source: Source, wish: Wish) -> Run:
    marks: list[float] = []
    began = time.perf_counter()
    run = backtest(
        load_policy(default_policy_path()),
        source,
        wish,
        Progress(replaying=lambda _: marks.append(time.perf_counter())),
    )
    ended = time.perf_counter()
    whole = run.evaluations * len(run.watched)
    print(
        f"{name}: {run.evaluations} rows, {len(run.watched)} limits: measured in "
        f"{marks[0] - began:.1f} s, replayed in {ended - marks[0]:.1f} s "
        f"({run.replayed} of {whole} evaluations of a limit, "
        f"{run.replayed / (ended - marks[0]):,.0f}/s), {len(run.verdict.episodes)} alerts"
    )
    return run


def main(rows: int = 5000) -> None:
    """Measure and print."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    workers = os.cpu_count() or 1
    bundled = read(None, Book("main", Decimal(1_000_000)), None, None, None)
    _report("bundled book, daily", bundled, Wish(workers=workers))
    _report("bundled book, 6 days a second", bundled, Wish(1 / 6, workers=workers))
    minutes = Source("minutes", Kind.EQUITY, "main", _equity(bundled.snapshots, rows))
    _report("equity, a row a minute, answered", minutes, Wish(answered=True, workers=workers))
    _report("equity, a row a minute, unanswered", minutes, Wish(workers=workers))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
