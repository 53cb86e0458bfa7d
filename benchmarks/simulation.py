"""What it takes to watch many accounts of many positions: measured small, reckoned large.

A real exporter shows books of several sizes, each spread over several accounts, to a real
Prometheus that evaluates all generated rules every five seconds; nothing is in breach. Measured for
each: series that Prometheus holds, its memory, processor time of one round (every rule once, and
the scrapes meanwhile), and how long the slowest group takes (the least that is seen of each group:
others on the machine can only make it longer).

What has no row of its own is reckoned: a straight line through what was measured, per position and
per account, by least squares. That it is a line is what the table of measurements lets one see; the
last column of the reckoned says how many times beyond the largest measurement it lies. Reckoned
too is how many Prometheus servers of so many cores that makes, at half of what they can do, each
with accounts of its own: an account's rules need no other account. The rules of one group are
evaluated one after the other, so the slowest group has to fit into the interval on one core.

Takes about two minutes: ``python benchmarks/simulation.py [--accounts 1000]
[--positions 1000] [--interval 5] [--cores 8] [--memory 64]``.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from measure import MIB, free_port, machine
from monitoring import prometheus
from rule_evaluation import of_groups, own_metrics, rounds_done

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Position, Snapshot

#: (accounts, positions of each).
MEASURED: Final = ((1, 1_000), (10, 100), (10, 1_000), (100, 100))
INTERVAL_SECONDS: Final = 5.0
WARM_ROUNDS, ROUNDS = 2, 3
#: Where there is more to do, somebody waits.
_AT_MOST_BUSY: Final = 0.5
_PATIENCE_SECONDS: Final = 240.0
#: Seldom enough to cost little of what is measured.
_ASK_AGAIN_SECONDS: Final = 1.0
_GIB: Final = 1024
_POLICY: Final = """
[alerting.prometheus]
scrape_interval_seconds = {interval}
evaluation_interval_seconds = {interval}
resend_delay_seconds = {interval}
[alerting.system]
snapshot_stale_seconds = 20
exporter_down_seconds = 60
receivers_down_seconds = 60
[alerting.endpoints]
exporter = "127.0.0.1:{exporter}"
prometheus = "127.0.0.1:{prometheus}"
receivers = "127.0.0.1:1"
alertmanager = "127.0.0.1:2"
"""


@dataclass(frozen=True, slots=True)
class Need:
    """What so many accounts of so many positions take."""

    accounts: int
    positions: int
    series: float
    prometheus_mib: float
    round_seconds: float
    slowest_seconds: float

    @property
    def in_all(self) -> int:
        """Positions of all accounts."""
        return self.accounts * self.positions

    def shown(self) -> str:
        """A line of a table."""
        return (
            f"{self.accounts:8,} {self.positions:9,} {self.in_all:10,} {self.series:12,.0f} "
            f"{self.prometheus_mib:12,.0f} {self.round_seconds:10.2f} {self.slowest_seconds:9.3f}"
        )


def _shown(exporter: RiskExporter, accounts: int, book: tuple[Position, ...]) -> None:
    for number in range(accounts):
        now = utc_now()
        exporter.observe(
            Snapshot(
                account=f"account-{number}", equity=1e8, cash=0, positions=book,
                taken_at=now, market_time=now,
            )
        )  # fmt: skip


@contextmanager
def _showing(exporter: RiskExporter, accounts: int, book: tuple[Position, ...]) -> Iterator[None]:
    """Fresh snapshots, as runtimes send them."""
    over = threading.Event()

    def again() -> None:
        while not over.wait(INTERVAL_SECONDS):
            _shown(exporter, accounts, book)

    showing = threading.Thread(target=again)
    showing.start()
    try:
        yield
    finally:
        over.set()
        showing.join()


def measured(accounts: int, positions: int, interval: float) -> Need:
    """Run it for a few rounds."""
    book = tuple(
        Position(
            symbol=f"S{n}", quantity=1, mark=100 + n % 7, average_price=99, sector=f"T{n % 20}"
        )
        for n in range(positions)
    )
    ports = {"exporter": free_port(), "prometheus": free_port()}
    own = f"127.0.0.1:{ports['prometheus']}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = _POLICY.format(interval=interval, **ports)
        (folder / "alerting.toml").write_text(text, encoding="utf-8")
        policy: Policy = load_policy(folder / "alerting.toml", {})
        with closing(RiskExporter(policy, folder / "exporter")) as exporter:
            _shown(exporter, accounts, book)
            with (
                _showing(exporter, accounts, book),
                ExporterServer(exporter),
                prometheus(folder / "prometheus", policy),
            ):
                return _watched(accounts, positions, own)


def _watched(accounts: int, positions: int, own: str) -> Need:
    # The first makes every series; the next is the first that finds what rules left behind.
    _rounds_until(own, WARM_ROUNDS)
    before = own_metrics(own)
    first = _fewest_rounds(before)
    durations = _rounds_until(own, first + ROUNDS)
    after = own_metrics(own)
    if after["prometheus_tsdb_head_series"] < accounts * positions:
        raise SystemExit("the exporter could not be scraped in time: too much else is going on")
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return Need(
        accounts,
        positions,
        after["prometheus_tsdb_head_series"],
        after["process_resident_memory_bytes"] / MIB,
        cpu / (_fewest_rounds(after) - first),
        max(min(seen) for seen in durations.values()),
    )


def _rounds_until(own: str, rounds: float) -> dict[str, list[float]]:
    """Wait for so many rounds; how long each group took, as seen meanwhile."""
    durations: dict[str, list[float]] = defaultdict(list)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        metrics = own_metrics(own)
        for name, seconds in of_groups(metrics, "last_duration_seconds").items():
            durations[name].append(seconds)
        if _fewest_rounds(metrics) >= rounds:
            return durations
        if time.monotonic() > deadline:
            raise SystemExit(f"not {rounds:g} rounds within {_PATIENCE_SECONDS:g} s")
        time.sleep(_ASK_AGAIN_SECONDS)


def _fewest_rounds(metrics: dict[str, float]) -> float:
    """Rounds of the group that has done the fewest of those that are evaluated at every round."""
    done, every = rounds_done(metrics), of_groups(metrics, "interval_seconds")
    least = min(every.values(), default=0.0)
    return min((done[name] for name in done if every[name] == least), default=0.0)


def reckoned(known: Sequence[Need], accounts: int, positions: int) -> Need:
    """By a straight line through what was measured: a base, each account, each position."""
    terms = np.array([[1.0, one.accounts, one.in_all] for one in known])
    wanted = np.array([1.0, accounts, accounts * positions])

    def line(figures: list[float]) -> float:
        found, *_ = np.linalg.lstsq(terms, np.array(figures), rcond=None)
        # What more of something makes cheaper is noise.
        return float(wanted @ np.maximum(found, 0.0))

    return Need(
        accounts,
        positions,
        line([one.series for one in known]),
        line([one.prometheus_mib for one in known]),
        line([one.round_seconds for one in known]),
        line([one.slowest_seconds for one in known]),
    )


def servers(need: Need, interval: float, cores: int, memory_gib: float) -> int:
    """How many of such a size bear it, each with accounts of its own."""
    by_processor = need.round_seconds / (interval * cores * _AT_MOST_BUSY)
    by_memory = need.prometheus_mib / (memory_gib * _GIB * _AT_MOST_BUSY)
    by_group = need.slowest_seconds / (interval * _AT_MOST_BUSY)
    return max(math.ceil(by_processor), math.ceil(by_memory), math.ceil(by_group), 1)


_HEAD: Final = (
    f"{'accounts':>8} {'positions':>9} {'in all':>10} {'series':>12} {'memory MiB':>12} "
    f"{'round s':>10} {'slowest s':>9}"
)


def main() -> None:
    """Measure, reckon and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--positions", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=INTERVAL_SECONDS, help="of evaluation")
    parser.add_argument("--cores", type=int, default=8, help="of a server")
    parser.add_argument("--memory", type=float, default=64, help="of a server, GiB")
    given = parser.parse_args()
    print(machine())
    began = time.monotonic()
    print(f"measured, one Prometheus, every {INTERVAL_SECONDS:g} s\n{_HEAD}")
    known = []
    for accounts, positions in MEASURED:
        known.append(measured(accounts, positions, INTERVAL_SECONDS))
        print(known[-1].shown(), flush=True)
    most = max(one.in_all for one in known)
    print(
        f"reckoned, every {given.interval:g} s, on servers of {given.cores} cores and "
        f"{given.memory:g} GiB, half used\n{_HEAD} {'servers':>8} {'beyond':>8}"
    )
    for accounts in sorted({10, 100, given.accounts}):
        need = reckoned(known, accounts, given.positions)
        count = servers(need, given.interval, given.cores, given.memory)
        print(f"{need.shown()} {count:8,} {need.in_all / most:7.0f}x")
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
