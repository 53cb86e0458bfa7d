"""What evaluating the generated rules costs on a real Prometheus, beside plain thresholds.

An exporter stand-in serves books of several sizes, with some of the positions in breach of
every limit. The baseline is one expression per tier (``max by (…) (metric) > threshold``) and
nothing else: no hysteresis, no memory, no escalation. Printed are the times that Prometheus
itself reports for a group, the slowest group and all of them together, and the kill group.

Takes about four minutes: ``python benchmarks/rule_evaluation.py [positions …]``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
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
from risk_policy.model.stack import Endpoints
from risk_rules.limits import bound

SIZES = (100, 1_000, 10_000)
BREACHED = (0.0, 0.05, 0.3)
WARM_SECONDS, MEASURED_SECONDS = 12, 15


def exposition(policy: Policy, positions: int, breached: float) -> bytes:
    """A book of one account; every limit has a figure, and so many of them are beyond it."""
    lines = [
        'risk_snapshot_age_seconds{account="main",risk_id="data_stale/main"} 0',
        f'risk_positions_open{{account="main"}} {positions}',
    ]
    for limit in LIMITS:
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


def plain_rules(policy: Policy) -> str:
    """The baseline: a group per limit, a comparison per tier."""
    aggregate = {Side.ABOVE: "max", Side.BELOW: "min"}
    groups = [
        {
            "name": f"plain-{limit.name}",
            "interval": "1s",
            "rules": [
                {
                    "alert": spec.name,
                    "expr": f"{aggregate[limit.side]} by (risk_id, {', '.join(limit.identity)}) "
                    f"({limit.metric.name}) {limit.operator} {bound(policy, limit, spec)!r}",
                }
                for spec in limit.alerts
            ],
        }
        for limit in LIMITS
    ]
    return yaml.safe_dump({"groups": groups})


def _identity(limit: Limit, number: int) -> dict[str, str]:
    *outer, innermost = limit.identity
    named = dict.fromkeys(outer, "main")
    return {**named, innermost: "main" if limit.identity == ("account",) else f"X{number:05d}"}


@dataclass(frozen=True)
class Cost:
    """Seconds per evaluation, and the share of a core that Prometheus takes."""

    slowest: float
    all_groups: float
    kill: float
    cores: float
    memory_mib: float


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


def measure(policy: Policy, body: bytes, *, plain: bool) -> Cost:
    """Run Prometheus on a book for a while."""
    with tempfile.TemporaryDirectory() as name, serving(body) as port:
        folder = Path(name)
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            own = f"127.0.0.1:{probe.getsockname()[1]}"
        target = f"127.0.0.1:{port}"
        at = Endpoints(exporter=target, receivers=target, alertmanager=target, prometheus=own)
        files = risk_rules.generate_rules(policy)
        if plain:
            files = {"rules/plain.yml": plain_rules(policy)}
        files["prometheus.yml"] = risk_rules.prometheus_config(policy, at)
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
            return _watch(own)
        finally:
            process.terminate()
            process.wait(30)


def _watch(own: str) -> Cost:
    _pause(WARM_SECONDS)
    rounds: list[dict[str, float]] = []
    before, began = _own_metric(own, "process_cpu_seconds_total"), time.monotonic()
    while time.monotonic() - began < MEASURED_SECONDS:
        rounds.append(_groups(own))
        _pause(1)
    cpu = _own_metric(own, "process_cpu_seconds_total") - before
    cores = cpu / (time.monotonic() - began)
    medians = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    return Cost(
        slowest=max(medians.values()),
        all_groups=sum(medians.values()),
        kill=next(
            seconds for name, seconds in medians.items() if name.endswith(f"-{DRAWDOWN.name}")
        ),
        cores=cores,
        memory_mib=_own_metric(own, "process_resident_memory_bytes") / 2**20,
    )


def _groups(own: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{own}/api/v1/rules", timeout=30) as answer:
        groups = json.load(answer)["data"]["groups"]
    return {group["name"]: float(group["evaluationTime"]) for group in groups}


def _own_metric(own: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{own}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Measure and print."""
    policy = load_policy(default_policy_path())
    print("positions  in breach  rules       all groups   slowest      kill   cores   memory")
    for size in sizes:
        for share in BREACHED:
            body = exposition(policy, size, share)
            plain, full = (measure(policy, body, plain=one) for one in (True, False))
            for name, cost in (("plain", plain), ("generated", full)):
                print(
                    f"{size:9,}  {share:9.0%}  {name:9}  {cost.all_groups * 1e3:8.1f} ms "
                    f"{cost.slowest * 1e3:8.1f} ms {cost.kill * 1e3:6.2f} ms "
                    f"{cost.cores:6.2f} {cost.memory_mib:6.0f} MiB",
                    flush=True,
                )
            ratio = full.all_groups / plain.all_groups
            print(f"{'':24}generated / plain: {ratio:.1f}", flush=True)


if __name__ == "__main__":
    main(tuple(int(size) for size in sys.argv[1:]) or SIZES)
