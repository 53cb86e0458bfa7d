"""What evaluating the generated rules costs on a real Prometheus, beside plain thresholds.

Evaluated are twenty thresholds: those of every limit that is watched per position, and the three
of drawdown, of which one trips the kill switch. An exporter stand-in serves books of several
sizes; of each of these limits, some positions are beyond the worst threshold, so that all its
tiers fire. The baseline is one expression per tier (``max by (…) (metric) > threshold``) and
nothing else: no hysteresis, no memory, no escalation, no labels, no words. Where alerts fire, the
generated rules are also measured without their annotations, of which Prometheus expands each as a
template, for every alert at every evaluation.

``round`` is the processor time that Prometheus takes to evaluate every rule once (scrapes and
slower groups included, rounds that it skips not counted), which others on the machine hardly
change; it takes about half of that on two free cores. Measured is from when every alert that is
due fires. A book in breach is scraped and evaluated every ten seconds and not every second: else
rounds that take longer would be skipped, and what is scraped meanwhile counted as theirs.

The other times are ``prometheus_rule_group_last_duration_seconds``, the least of those seen: the
sum of all groups that watch, the slowest, and drawdown's, whose median stands beside it.

Takes about twelve minutes: ``python benchmarks/rule_evaluation.py [--groups] [positions …]``;
``--groups`` also prints every group.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

import yaml

import risk_rules
from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.catalogue.limits import DRAWDOWN, LIMITS, Limit, Side
from risk_policy.contracts.alert import risk_id
from risk_policy.contracts.artefact import duration
from risk_policy.contracts.limit_alert import bound
from risk_policy.model.stack import Endpoints

SIZES = (100, 1_000, 10_000)
BREACHED = (0.0, 0.05)
WARM_SECONDS, ROUNDS = 10, 25
PACE_IN_BREACH_SECONDS, ROUNDS_IN_BREACH = 10.0, 6
#: Until every alert that is due fires, and until so many rounds are over.
PATIENCE_SECONDS = 300
#: Seventeen tiers per position, three of the account.
WATCHED = (*(limit for limit in LIMITS if not limit.is_account_level), DRAWDOWN)
_SLOW = ("-frequency", "-trend")
_GROUP = "prometheus_rule_group_"


def exposition(policy: Policy, positions: int, breached: float) -> bytes:
    """A book of one account; every limit has a figure, and so many of them are beyond it."""
    lines = [
        'risk_snapshot_age_seconds{account="main",risk_id="data_stale/main"} 0',
        f'risk_positions_open{{account="main"}} {positions}',
    ]
    for limit in WATCHED:
        worst, mildest = (bound(policy, limit, limit.alerts[i]) for i in (-1, 0))
        beyond = worst + limit.side.sign * max(abs(worst), 0.01)
        within = mildest - limit.side.sign * max(abs(mildest), 0.01) / 2
        count = 1 if limit.is_account_level else positions
        for number in range(count):
            identity = _identity(limit, number)
            bad = not limit.is_account_level and number < breached * positions
            labels = ",".join(f'{name}="{value}"' for name, value in identity.items())
            name = risk_id(limit.name, *identity.values())
            lines.append(
                f'{limit.metric.name}{{{labels},risk_id="{name}"}} {beyond if bad else within}'
            )
    # Volatility since entry is one metric of two limits: once is enough.
    return ("\n".join(dict.fromkeys(lines)) + "\n").encode()


def paced(policy: Policy) -> Policy:
    """The policy, with a round every so many seconds."""
    timing = dict.fromkeys(
        ("scrape_interval_seconds", "evaluation_interval_seconds"), PACE_IN_BREACH_SECONDS
    )
    prometheus = policy.alerting.prometheus.model_copy(update=timing)
    alerting = policy.alerting.model_copy(update={"prometheus": prometheus})
    return policy.model_copy(update={"alerting": alerting})


def due(positions: int, breached: float) -> int:
    """How many alerts a book is due."""
    bad = sum(number < breached * positions for number in range(positions))
    return bad * sum(len(limit.alerts) for limit in WATCHED if not limit.is_account_level)


def plain_rules(policy: Policy) -> str:
    """The baseline: a group per limit, a comparison per tier."""
    aggregate = {Side.ABOVE: "max", Side.BELOW: "min"}
    interval = duration(policy.alerting.prometheus.evaluation_interval_seconds)
    groups = [
        {
            "name": f"plain-{limit.name}",
            "interval": interval,
            "rules": [
                {
                    "alert": spec.name,
                    "expr": f"{aggregate[limit.side]} by (risk_id, {', '.join(limit.identity)}) "
                    f"({limit.metric.name}) {limit.operator} {bound(policy, limit, spec)!r}",
                }
                for spec in limit.alerts
            ],
        }
        for limit in WATCHED
    ]
    return yaml.safe_dump({"groups": groups})


def _identity(limit: Limit, number: int) -> dict[str, str]:
    *outer, innermost = limit.identity
    named = dict.fromkeys(outer, "main")
    return {**named, innermost: "main" if limit.identity == ("account",) else f"X{number:05d}"}


@dataclass(frozen=True)
class Cost:
    """Seconds; what they mean stands above."""

    round_cpu: float
    groups: dict[str, list[float]]
    memory_mib: float

    @property
    def watching(self) -> dict[str, float]:
        """The least duration of each group that watches."""
        return {name: min(seen) for name, seen in self.groups.items() if not name.endswith(_SLOW)}

    @property
    def kill(self) -> list[float]:
        """Of the group that trips the kill switch."""
        return next(seen for name, seen in self.groups.items() if name.endswith(DRAWDOWN.name))


@contextmanager
def serving(body: bytes) -> Iterator[int]:
    """The book behind a port; alerts are taken and forgotten."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"")

        def _answer(self, content: bytes) -> None:
            with suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def generated(policy: Policy) -> dict[str, str]:
    """The rules of what is watched, as they are."""
    wanted = {f"rules/{limit.name}.yml" for limit in WATCHED}
    return {k: v for k, v in risk_rules.generate_rules(policy).items() if k in wanted}


def without_words(files: dict[str, str]) -> dict[str, str]:
    """The same rules, whose alerts say nothing."""
    changed = {}
    for name, text in files.items():
        document = yaml.safe_load(text)
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        changed[name] = yaml.safe_dump(document)
    return changed


def measure(policy: Policy, body: bytes, rules: dict[str, str], alerts: int = 0) -> Cost:
    """Run Prometheus on a book for a while, from when so many alerts fire."""
    with tempfile.TemporaryDirectory() as name, serving(body) as port:
        folder = Path(name)
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            own = f"127.0.0.1:{probe.getsockname()[1]}"
        target = f"127.0.0.1:{port}"
        at = Endpoints(exporter=target, receivers=target, alertmanager=target, prometheus=own)
        files = {**rules, "prometheus.yml": risk_rules.prometheus_config(policy, at)}
        for path, text in {**files, "secrets/alert_feed_token": "token"}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        # One book, one target: the stand-in is not the receivers too.
        config["scrape_configs"] = [
            job for job in config["scrape_configs"] if job["job_name"] != "riskwarden-receivers"
        ][:1]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={own}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            if alerts:
                _until_firing(own, alerts)
            return _watch(own, ROUNDS_IN_BREACH if alerts else ROUNDS)
        finally:
            # It would spend half a minute on writing what nobody will read.
            process.kill()
            process.wait(30)


def _until_firing(own: str, alerts: int) -> None:
    """Wait until so many alerts fire."""
    question = urllib.parse.quote('count(ALERTS{alertstate="firing"})')
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = 0
    while found < alerts:
        if time.monotonic() > deadline:
            raise SystemExit(f"{found:,} of {alerts:,} alerts fire after {PATIENCE_SECONDS} s")
        _pause(2)
        with suppress(OSError):  # not up yet
            address = f"http://{own}/api/v1/query?query={question}"
            with urllib.request.urlopen(address, timeout=60) as answer:
                result = json.load(answer)["data"]["result"]
            found = int(result[0]["value"][1]) if result else 0


def _watch(own: str, rounds: int) -> Cost:
    _pause(WARM_SECONDS)
    before, began = own_metrics(own), time.monotonic()
    durations: dict[str, list[float]] = defaultdict(list)
    after, done = before, 0.0
    while done < rounds:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit(f"{done:.1f} of {rounds} rounds in {PATIENCE_SECONDS} s")
        _pause(0.5)
        after = own_metrics(own)
        for name, seconds in of_groups(after, "last_duration_seconds").items():
            durations[name].append(seconds)
        watching = [name for name in durations if not name.endswith(_SLOW)]
        done = statistics.mean(
            rounds_done(after)[name] - rounds_done(before)[name] for name in watching
        )
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return Cost(
        round_cpu=cpu / done,
        groups=durations,
        memory_mib=after["process_resident_memory_bytes"] / 2**20,
    )


def rounds_done(metrics: dict[str, float]) -> dict[str, float]:
    missed = of_groups(metrics, "iterations_missed_total")
    return {
        name: count - missed.get(name, 0)
        for name, count in of_groups(metrics, "iterations_total").items()
    }


def of_groups(metrics: dict[str, float], what: str) -> dict[str, float]:
    """By name of the group: its metric has the path of its file in front."""
    return {
        name.rpartition(";")[2].rstrip('"}'): value
        for name, value in metrics.items()
        if name.startswith(f"{_GROUP}{what}{{")
    }


def own_metrics(own: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{own}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    named = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in named}


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def main(sizes: tuple[int, ...] = SIZES, *, groups: bool = False) -> None:
    """Measure and print."""
    policy = load_policy(default_policy_path())
    print(
        "positions in breach  rules            round  all groups   slowest  kill (median)   memory"
    )
    for size in sizes:
        for share in BREACHED:
            body, alerts = exposition(policy, size, share), due(size, share)
            at = paced(policy) if alerts else policy
            rules = {"plain": {"rules/plain.yml": plain_rules(at)}, "generated": generated(at)}
            if alerts:
                rules["wordless"] = without_words(rules["generated"])
            costs = {name: measure(at, body, files, alerts) for name, files in rules.items()}
            for name, cost in costs.items():
                least = cost.watching.values()
                print(
                    f"{size:9,} {share:9.0%}  {name:9} {cost.round_cpu * 1e3:9.0f} ms "
                    f"{sum(least) * 1e3:8.1f} ms {max(least) * 1e3:6.1f} ms "
                    f"{min(cost.kill) * 1e3:5.2f} ms ({statistics.median(cost.kill) * 1e3:.2f}) "
                    f"{cost.memory_mib:5.0f} MiB",
                    flush=True,
                )
            plain, full = costs["plain"], costs["generated"]
            print(f"{'':21}generated / plain: {full.round_cpu / plain.round_cpu:.1f}", flush=True)
            for name, seen in full.groups.items() if groups else ():
                print(f"{'':21}{name:46} {min(seen) * 1e3:8.2f} ms", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    wanted = tuple(int(size) for size in given if size != "--groups")
    main(wanted or SIZES, groups="--groups" in given)
