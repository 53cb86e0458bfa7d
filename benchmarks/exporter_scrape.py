"""Taking a snapshot of ten thousand positions in, and getting its series ready for a scrape.

The baseline is adding up the same notionals with numpy: what no snapshot could cost less than.
Takes about five seconds: ``python benchmarks/exporter_scrape.py [positions]``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from risk_exporter import RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.contracts.snapshot import Position, Snapshot, utc_now

_ROUNDS = 20


def _median_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def main(positions: int = 10_000) -> None:
    """Measure and print."""
    start = utc_now()
    book = [
        Position(
            symbol=f"S{n}", quantity=1, mark=100 + n % 7, average_price=99, sector=f"T{n % 20}"
        )
        for n in range(positions)
    ]
    notional = np.array([position.notional for position in book])
    ticks = iter(range(1, 10_000))
    with tempfile.TemporaryDirectory() as folder:
        exporter = RiskExporter(load_policy(default_policy_path()), Path(folder))

        def observe() -> None:
            taken = start + timedelta(milliseconds=next(ticks))
            exporter.observe(
                Snapshot(
                    account="main", equity=1e6, cash=0, positions=tuple(book),
                    taken_at=taken, market_time=taken,
                )
            )  # fmt: skip

        observe()
        rows = [
            ("snapshot taken in", _median_ms(observe)),
            ("series ready", _median_ms(lambda: list(exporter.blocks()))),
        ]
        exporter.close()
    baseline = _median_ms(lambda: (np.abs(notional).sum(), notional.sum()))
    for name, milliseconds in rows:
        print(f"{name:20}{milliseconds:9.3f} ms   ratio {milliseconds / baseline:8.0f}")
    print(f"{'notionals added':20}{baseline:9.3f} ms")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
