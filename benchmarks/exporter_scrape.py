"""An exporter of a hundred to a hundred thousand series: snapshots in, scrapes out.

The baseline of the snapshot is adding up the same notionals with numpy: what no snapshot could
cost less than. That of the text is what prometheus_client writes of the same series, one by one;
printed beside it is the time for ten thousand series. All are processor times, of the least of
twenty rounds: others on the machine can only make them longer. What a real Prometheus says of its
scrapes (``scrape_duration_seconds``, every second, the median and the least of eight) takes in what
it does with them itself. Memory is what the process grew by, exporter and snapshot.

Takes about a minute: ``python benchmarks/exporter_scrape.py [series …]``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from measure import MIB, Footprint, free_port, machine, process, until, wait_until_ready
from monitoring import binary
from prometheus_client import CollectorRegistry, generate_latest

from risk_exporter import ExporterServer, RiskExporter
from risk_exporter.text import plain_text
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Position, Snapshot

SIZES: Final = (100, 1_000, 10_000, 100_000)
_ROUNDS, _SCRAPES = 20, 8
#: Of the account, and of each of its positions.
_OWN_SERIES, _EACH = 58, 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds, but for what says otherwise."""

    series: int
    text_mib: float
    taken_in: float
    added: float
    text: float
    one_by_one: float
    scrape_least: float
    scrape_median: float
    memory_mib: float

    def shown(self) -> str:
        """A line of a table."""
        return (
            f"{self.series:8,} {self.taken_in:10.2f} {self.taken_in / self.added:7.0f} "
            f"{self.text:9.2f} {self.text / self.one_by_one:7.3f} "
            f"{self.text / self.series * 10_000:11.2f} {self.scrape_least:8.1f} "
            f"{self.scrape_median:8.1f} {self.text_mib:7.1f} {self.memory_mib:7.1f}"
        )


def _least_ms(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        act()
        times.append(time.thread_time() - began)
    return min(times) * 1e3


def _book(positions: int) -> tuple[Position, ...]:
    return tuple(
        Position(
            symbol=f"S{n}", quantity=1, mark=100 + n % 7, average_price=99, sector=f"T{n % 20}"
        )
        for n in range(positions)
    )


def measured(series: int) -> Cost:
    """All of it, for one size."""
    before = Footprint.of(os.getpid()).resident_bytes
    book = _book(max((series - _OWN_SERIES) // _EACH, 1))
    notional = np.array([position.notional for position in book])
    rounds = max(_ROUNDS // max(series // 20_000, 1), 5)
    start = utc_now()
    ticks = iter(range(1, 10_000))
    with tempfile.TemporaryDirectory() as name:
        exporter = RiskExporter(load_policy(default_policy_path()), Path(name))

        def observe() -> None:
            taken = start + timedelta(milliseconds=next(ticks))
            exporter.observe(
                Snapshot(
                    account="main", equity=1e6, cash=0, positions=book,
                    taken_at=taken, market_time=taken,
                )
            )  # fmt: skip

        with closing(exporter):
            observe()
            registry = CollectorRegistry()
            registry.register(exporter)
            taken_in = _least_ms(observe, rounds)
            text = _least_ms(lambda: plain_text(registry), rounds)
            one_by_one = _least_ms(lambda: generate_latest(registry), 3)
            size = len(plain_text(registry))
            count = sum(len(block.values) for block in exporter.blocks())
            registry.unregister(exporter)
            grown = Footprint.of(os.getpid()).resident_bytes - before
            scrapes = _scraped(exporter, Path(name))
    added = _least_ms(lambda: (np.abs(notional).sum(), notional.sum()), rounds)
    return Cost(
        count, size / MIB, taken_in, added, text, one_by_one,
        min(scrapes), statistics.median(scrapes), grown / MIB,
    )  # fmt: skip


def _scraped(exporter: RiskExporter, folder: Path) -> list[float]:
    """Milliseconds that a real Prometheus says its scrapes took."""
    target, own = (f"127.0.0.1:{free_port()}" for _ in range(2))
    jobs = [{"job_name": "exporter", "static_configs": [{"targets": [target]}]}]
    pace = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"global": pace, "scrape_configs": jobs}))
    command = [binary("prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={own}"]
    with (
        ExporterServer(exporter, listen=target),
        process(command, folder / "log") as running,
    ):
        wait_until_ready(f"http://{own}/-/ready", running, folder / "log")

        def seen() -> list[list[Any]]:
            question = urllib.parse.quote(f"scrape_duration_seconds[{_SCRAPES + 60}s]")
            address = f"http://{own}/api/v1/query?query={question}"
            with urllib.request.urlopen(address, timeout=60) as answer:
                found = json.load(answer)["data"]["result"]
            values: list[list[Any]] = found[0]["values"] if found else []
            return values

        until(lambda: len(seen()) > _SCRAPES, "it has scraped often enough")
        took = [float(value) * 1e3 for _, value in seen()][1:]  # the first makes every series
        running.kill()  # it would write what nobody will read
    return took


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Measure and print."""
    print(machine())
    print(
        f"{'series':>8} {'snapshot':>10} {'ratio':>7} {'text':>9} {'ratio':>7} {'per 10,000':>11} "
        f"{'scrape':>8} {'median':>8} {'MiB':>7} {'memory':>7}"
    )
    for size in sizes:
        print(measured(size).shown(), flush=True)


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
