"""What it takes to watch many accounts of many positions: as many as this machine bears.

A real Prometheus scrapes what a real exporter shows of an account, under more and more names (see
many_accounts.py), and evaluates all generated rules. At each size it is watched for some rounds,
on one and the same Prometheus: the series it holds, its memory, processor time of one round (every
rule once, and the scrapes meanwhile), and how long the slowest group takes, whose rules are
evaluated one after the other (the least that is seen of each group: others on the machine can only
make it longer). Beside it stands what the exporters' stand-in takes of a processor.

It begins at the interval that is asked for. Where a round of the next size would keep the machine
busier than it can be, everything happens at twice the interval, and so on: what is held, and what
one round takes, can be measured all the same, though ranges then have fewer samples. It ends where
the accounts do, where memory would not suffice, or when its time is over; it says which. All of
this for each share of the positions that has lost too much, on a Prometheus of its own.

What was not measured is reckoned, in proportion, from the largest size that was: what a round
takes from the largest at the asked interval that left none out, memory from the largest of all. The
last column says how many times beyond those that is. Reckoned too is how many Prometheus servers of
so many cores that makes, at half of what they can do, each with accounts of its own: an account's
rules need no other account.

Takes less than ten minutes: ``python benchmarks/simulation.py [--accounts 1000] [--positions 1000]
[--steps 10 50 100] [--interval 5] [--breached 0.05 0] [--cores 8] [--memory 64] [--minutes 9]
[--spare 3]``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import yaml
from many_accounts import Served, serving, texts
from measure import MIB, Footprint, free_port, machine, until
from monitoring import prometheus, prometheus_files, write
from rule_evaluation import of_groups, own_metrics, rounds_done

from risk_policy import Policy, load_policy
from risk_policy.contracts.jobs import EXPORTER_JOB

STEPS: Final = (10, 50, 100, 200, 400, 700)
WARM_ROUNDS, ROUNDS = 1, 2
#: Where there is more to do, somebody waits.
_AT_MOST_BUSY: Final = 0.5
#: Of this machine, which does nothing else: then everything happens less often.
_BUSY_HERE: Final = 0.75
#: Prometheus tells nobody that a round is over, and each question takes it from its rounds.
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
prometheus = "127.0.0.1:{prometheus}"
receivers = "127.0.0.1:1"
alertmanager = "127.0.0.1:2"
"""


@dataclass(frozen=True, slots=True)
class Need:
    """What so many accounts take."""

    accounts: int
    interval: float
    series: float
    prometheus_mib: float
    round_seconds: float
    slowest_seconds: float
    alerts: float
    #: Rounds that Prometheus left out, being late.
    missed: float = 0.0
    exporter_seconds: float = 0.0

    def shown(self) -> str:
        """A line of a table."""
        return (
            f"{self.accounts:8,} {self.interval:8g} {self.series:12,.0f} "
            f"{self.prometheus_mib:10,.0f} {self.round_seconds:8.2f} {self.slowest_seconds:9.3f} "
            f"{self.alerts:8,.0f}"
        )

    def shown_measured(self) -> str:
        """The same, and how it was measured."""
        return f"{self.shown()} {self.missed:7,.0f} {self.exporter_seconds:11.2f}"

    def times(self, accounts: int) -> Need:
        """In proportion."""
        by = accounts / self.accounts
        return Need(
            accounts, self.interval, self.series * by, self.prometheus_mib * by,
            self.round_seconds * by, self.slowest_seconds * by, self.alerts * by,
            exporter_seconds=self.exporter_seconds * by,
        )  # fmt: skip


_HEAD: Final = (
    f"{'accounts':>8} {'every s':>8} {'series':>12} {'memory MiB':>10} {'round s':>8} "
    f"{'slowest s':>9} {'alerts':>8}"
)
_HEAD_MEASURED: Final = f"{_HEAD} {'missed':>7} {'exporters s':>11}"


class Watched:
    """A running Prometheus that is shown more and more accounts."""

    def __init__(self, folder: Path, policy: Policy, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._policy = policy
        self._process = process
        self._own = policy.alerting.endpoints.prometheus
        self.interval = policy.alerting.prometheus.scrape_interval_seconds

    def slow_down(self) -> None:
        """Everything half as often."""
        self.interval *= 2
        usual = self._policy.alerting.prometheus.scrape_interval_seconds
        write(self._folder, _files(self._policy, round(self.interval / usual)))
        loaded = "prometheus_config_last_reload_success_timestamp_seconds"
        before = own_metrics(self._own)[loaded]
        self._process.send_signal(signal.SIGHUP)
        until(lambda: own_metrics(self._own)[loaded] > before, "Prometheus has its configuration")

    def with_accounts(self, served: Served, accounts: int, deadline: float) -> Need:
        """What so many take. Raises _TimeIsOverError."""
        write(self._folder, {"targets.json": served.targets(accounts)})
        while self._count(f'up{{job="{EXPORTER_JOB}"}} == 1') < accounts:
            _wait(deadline)
        # The first makes every series; the next is the first that finds what rules left behind.
        self._rounds(WARM_ROUNDS, deadline)
        before, served_before = own_metrics(self._own), Footprint.of(served.pid).processor_seconds
        durations = self._rounds(ROUNDS, deadline)
        after, served_after = own_metrics(self._own), Footprint.of(served.pid).processor_seconds
        rounds = _fewest_rounds(after) - _fewest_rounds(before)
        missed = [of_groups(one, "iterations_missed_total") for one in (before, after)]
        return Need(
            accounts,
            self.interval,
            after["prometheus_tsdb_head_series"],
            after["process_resident_memory_bytes"] / MIB,
            (after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]) / rounds,
            max(min(seen) for seen in durations.values()),
            self._count('ALERTS{alertstate="firing"}'),
            max(missed[1][name] - missed[0].get(name, 0) for name in missed[1]),
            (served_after - served_before) / rounds,
        )

    def _rounds(self, rounds: int, deadline: float) -> dict[str, list[float]]:
        """Wait for so many more; how long each group took, as seen meanwhile."""
        durations: dict[str, list[float]] = defaultdict(list)
        first = _fewest_rounds(own_metrics(self._own))
        while True:
            metrics = own_metrics(self._own)
            for name, seconds in of_groups(metrics, "last_duration_seconds").items():
                durations[name].append(seconds)
            if _fewest_rounds(metrics) >= first + rounds:
                return durations
            _wait(deadline)

    def _count(self, series: str) -> int:
        question = urllib.parse.quote(f"count({series})")
        address = f"http://{self._own}/api/v1/query?query={question}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            result = json.load(answer)["data"]["result"]
        return int(result[0]["value"][1]) if result else 0


class _TimeIsOverError(Exception):
    """What was asked for takes longer than it may."""


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise _TimeIsOverError
    time.sleep(_ASK_AGAIN_SECONDS)


def _fewest_rounds(metrics: dict[str, float]) -> float:
    """Rounds of the group that has done the fewest of those that are evaluated at every round."""
    done, every = rounds_done(metrics), of_groups(metrics, "interval_seconds")
    least = min(every.values(), default=0.0)
    return min((done[name] for name in done if every[name] == least), default=0.0)


def _files(policy: Policy, stretched: int) -> dict[str, str]:
    """What Prometheus reads; the rules are the same, and are evaluated so many times less often."""
    files = prometheus_files(policy)
    config = yaml.safe_load(files["prometheus.yml"])
    config["scrape_configs"] = [
        {"job_name": EXPORTER_JOB, "file_sd_configs": [{"files": ["targets.json"]}]}
    ]
    files["prometheus.yml"] = yaml.safe_dump(config)
    every = re.compile(r"^( *(?:\w+_)?(?:interval|timeout): )(\d+)s$", re.MULTILINE)
    return {
        name: every.sub(lambda found: f"{found[1]}{int(found[2]) * stretched}s", text)
        for name, text in files.items()
    }


def measured(given: argparse.Namespace, breached: float, deadline: float) -> list[Need]:
    """Step by step, as far as it goes; said while it goes."""
    known: list[Need] = []
    port = free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text = _POLICY.format(interval=given.interval, prometheus=port)
        (folder / "alerting.toml").write_text(text, encoding="utf-8")
        policy = load_policy(folder / "alerting.toml", {})
        served = stack.enter_context(serving(texts(policy, given.positions, breached)))
        files = {**_files(policy, 1), "targets.json": served.targets(0)}
        running = stack.enter_context(prometheus(folder, policy, files))
        watched = Watched(folder, policy, running)
        steps = [*(step for step in given.steps if step < given.accounts), given.accounts]
        for accounts in steps:
            if known and (why := _beyond(known[-1].times(accounts), known[-1], given.spare)):
                print(f"{accounts:8,} {why}")
                break
            while known and _is_too_much(known[-1].times(accounts), watched.interval):
                watched.slow_down()
            try:
                known.append(watched.with_accounts(served, accounts, deadline))
            except _TimeIsOverError:
                print(f"{accounts:8,} the time is over")
                break
            print(known[-1].shown_measured(), flush=True)
    return known


def _beyond(wanted: Need, now: Need, spare_gib: float) -> str:
    """Why it is more than this machine has; empty if it is not."""
    free = _available_mib() + now.prometheus_mib
    if wanted.prometheus_mib > free - spare_gib * _GIB:
        return f"would need {wanted.prometheus_mib:,.0f} MiB, and {free:,.0f} are to be had"
    return ""


def _is_too_much(wanted: Need, interval: float) -> bool:
    busy = wanted.round_seconds + wanted.exporter_seconds
    cores = os.cpu_count() or 1
    return max(busy / cores, wanted.slowest_seconds) > interval * _BUSY_HERE


def _available_mib() -> float:
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    found = re.search(r"^MemAvailable: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else math.inf


def servers(need: Need, interval: float, cores: int, memory_gib: float) -> int:
    """How many of such a size bear it, each with accounts of its own."""
    by_processor = need.round_seconds / (interval * cores * _AT_MOST_BUSY)
    by_memory = need.prometheus_mib / (memory_gib * _GIB * _AT_MOST_BUSY)
    by_group = need.slowest_seconds / (interval * _AT_MOST_BUSY)
    return max(math.ceil(by_processor), math.ceil(by_memory), math.ceil(by_group), 1)


def reckoned(known: Sequence[Need], accounts: int) -> tuple[Need, float, float]:
    """In proportion from the largest; how far beyond it that is: at the interval, and of all."""
    asked = min(one.interval for one in known)
    usual = [one for one in known if one.interval == asked]
    # A machine that leaves rounds out is at its end, and says little of how long one takes.
    in_time = [one for one in usual if not one.missed] or usual
    rounds = max(in_time, key=lambda one: one.accounts)
    memory = max(known, key=lambda one: one.accounts)
    held = memory.times(accounts)
    need = replace(rounds.times(accounts), series=held.series, prometheus_mib=held.prometheus_mib)
    return need, accounts / rounds.accounts, accounts / memory.accounts


def main() -> None:
    """Measure, reckon and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--positions", type=int, default=1_000)
    parser.add_argument("--interval", type=int, default=5, help="of scrapes and rules, s")
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS, help="accounts on the way")
    parser.add_argument(
        "--breached", type=float, nargs="*", default=(0.05, 0.0), help="shares of the positions"
    )
    parser.add_argument("--cores", type=int, default=8, help="of a server")
    parser.add_argument("--memory", type=float, default=64, help="of a server, GiB")
    parser.add_argument("--minutes", type=float, default=9, help="how long it may take")
    parser.add_argument("--spare", type=float, default=3, help="left to others here, GiB")
    given = parser.parse_args()
    print(machine(), f"{_available_mib() / _GIB:.0f} GiB free", sep=", ")
    began = time.monotonic()
    ends = began + given.minutes * 60
    for done, breached in enumerate(given.breached):
        left = ends - time.monotonic()
        deadline = time.monotonic() + left / (len(given.breached) - done)
        what = f"{breached:.0%} of them in breach" if breached else "nothing in breach"
        print(f"measured, {given.positions:,} positions each, {what}\n{_HEAD_MEASURED}", flush=True)
        known = measured(given, breached, deadline)
        if not known:
            continue
        print(
            f"reckoned, every {given.interval} s, on servers of {given.cores} cores and "
            f"{given.memory:g} GiB, half used\n{_HEAD} {'servers':>8} beyond"
        )
        for accounts in sorted({100, given.accounts}):
            need, rounds, memory = reckoned(known, accounts)
            count = servers(need, given.interval, given.cores, given.memory)
            print(f"{need.shown()} {count:8,} {rounds:.3g}x, of memory {memory:.3g}x")
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
