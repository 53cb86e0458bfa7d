"""Taking a snapshot of ten thousand positions in, and writing the text of a scrape.

The baseline of the snapshot is adding up the same notionals with numpy: what no snapshot could
cost less than. That of the text is what prometheus_client writes of the same series, one by one;
printed beside it is the time for ten thousand series. All are processor times, of the least of
twenty rounds: others on the machine can only make them longer. Takes about fifteen seconds:
``python benchmarks/exporter_scrape.py [positions]``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest

from risk_exporter import RiskExporter
from risk_exporter.text import plain_text
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Position, Snapshot

_ROUNDS = 20


def _least_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.thread_time()
        act()
        times.append(time.thread_time() - began)
    return min(times) * 1e3


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
        registry = CollectorRegistry()
        registry.register(exporter)
        taken_in = _least_ms(observe)
        text = _least_ms(lambda: plain_text(registry))
        one_by_one = _least_ms(lambda: generate_latest(registry))
        series = sum(len(block.values) for block in exporter.blocks())
        size = len(plain_text(registry))
        exporter.close()
    added = _least_ms(lambda: (np.abs(notional).sum(), notional.sum()))
    print(f"snapshot taken in   {taken_in:9.3f} ms   ratio {taken_in / added:8.0f}")
    print(f"notionals added     {added:9.3f} ms")
    print(f"text of a scrape    {text:9.3f} ms   ratio {text / one_by_one:8.3f}")
    print(f"generate_latest     {one_by_one:9.3f} ms")
    print(f"{series:,} series, {size / 2**20:.1f} MiB: {text / series * 10_000:.2f} ms per 10,000")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
