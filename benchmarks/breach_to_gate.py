"""Milliseconds from a breach to the closed gate by the whole way, through a real Prometheus.

Every trial is an account of its own, whose drawdown jumps to 21 % at a moment that no clock knows.
An exporter shows it, a real Prometheus scrapes and evaluates the generated rules, the receivers
record the alert and trip the kill switch for that account, and a ``TradeGate`` in another process
refuses its orders. There is no fast lane here: that is what ``fast_lane.py`` measures.

By stage: until the first scrape that shows it (up to one interval), until the evaluation that
fires (a constant phase behind the scrape, up to one interval), until Prometheus has sent it (seen
by a listener that is one more Alertmanager), until it is on record, until the gate refuses.

Prometheus lays each scrape and each group at an offset of its own, so the phase is anything up to
an interval. Before the first trial it is made short as ``riskwarden align`` does; ``--as-it-comes``
leaves it, and what the whole would be without it stands beside the whole.

A gate that does not close in time is told of with what Prometheus saw meanwhile, and counts as
failed.

The baseline is the gate itself: the same alert posted to the feed by hand, until the gate refuses.

Takes about a minute at the default of 15 trials:
``python benchmarks/breach_to_gate.py [--trials 50] [--interval 200ms [--others 1s]]``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from gate_watcher import Gate, NotClosedError
from measure import (
    PATIENCE_SECONDS,
    Receivers,
    Spread,
    alert,
    free_port,
    machine,
    ratio,
    receivers,
    until,
)
from monitoring import aligned, prometheus
from prometheus_client import CollectorRegistry

from risk_exporter import RiskExporter
from risk_exporter.text import plain_text
from risk_policy import Policy, load_policy
from risk_policy.catalogue.metrics.foreign import RULE_MISSED, UP
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.contracts.jobs import EXPORTER_JOB
from risk_policy.contracts.snapshot import Snapshot
from risk_receivers.audit.query import events
from risk_receivers.prometheus import PrometheusApi, PrometheusError

_POLICY: Final = """
[alerting.kill_switch]
automatic_scope = "account"
[alerting.dead_man]
runtime_seconds = 600
prometheus_seconds = 300
[alerting.fast_lane]
enabled = false
[alerting.prometheus]
scrape_interval_seconds = {interval}
evaluation_interval_seconds = {others}
[alerting.endpoints]
receivers = "127.0.0.1:{receivers}"
exporter = "127.0.0.1:{exporter}"
prometheus = "127.0.0.1:{prometheus}"
alertmanager = "127.0.0.1:{listener}"
"""
#: A snapshot that is older counts as none.
_SHOW_AGAIN_SECONDS: Final = 2.0
_BY_HAND: Final = 10
_EVENTS: Final = 100_000


@dataclass
class Shown:
    """What an exporter shows of all accounts, and who has asked for it when."""

    exporter: RiskExporter
    equity: dict[str, float]
    scraped_at: list[float] = field(default_factory=list)
    #: When Prometheus first sent an alert of an account, and when it says that began.
    sent: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, account: str) -> float:
        """Its equity as it is now; when that was."""
        with self._lock:
            now, equity = utc_now(), self.equity[account]
            self.exporter.observe(
                Snapshot(
                    account=account, equity=equity, cash=equity, positions=(),
                    taken_at=now, market_time=now,
                )
            )  # fmt: skip
            return time.time()

    def show_all(self, over: threading.Event) -> None:
        """Again and again, as a runtime does."""
        while not over.wait(_SHOW_AGAIN_SECONDS):
            for account in self.equity:
                self.show(account)

    def text(self, registry: CollectorRegistry) -> bytes:
        """For a scrape."""
        with self._lock:
            self.scraped_at.append(time.time())
            return plain_text(registry)

    def hear(self, body: bytes) -> None:
        """What Prometheus sends to every Alertmanager."""
        at = time.time()
        for one in msgspec.json.decode(body):
            if one["labels"].get("alertname") == "DRAWDOWN_EMERGENCY":
                began = datetime.fromisoformat(one["startsAt"]).timestamp()
                self.sent.setdefault(one["labels"]["account"], (at, began))


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever asked has gone: Prometheus does so at its end."""


@contextmanager
def exported(shown: Shown, ports: Sequence[int]) -> Iterator[None]:
    """Answer scrapes on the one port, and take alerts on the other."""
    registry = CollectorRegistry()
    registry.register(shown.exporter)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(shown.text(registry))

        def do_POST(self) -> None:
            shown.hear(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(b"")

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    servers = [_Server(("127.0.0.1", port), Handler) for port in ports]
    over = threading.Event()
    threads = [threading.Thread(target=one.serve_forever, daemon=True) for one in servers]
    threads.append(threading.Thread(target=shown.show_all, args=(over,)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        threads[-1].join()
        for server in servers:
            server.shutdown()
            server.server_close()


@dataclass(frozen=True, slots=True)
class Trial:
    """When each stage of one was over, in Unix time."""

    breach: float
    scrape: float
    evaluation: float
    sent: float
    recorded: float
    gate: float


def trials(
    shown: Shown, gate: Gate, accounts: Sequence[str], interval: float, seen: Callable[[], str]
) -> dict[str, tuple[float, float]]:
    """Breach one account after the other; when each was breached, and when the gate closed."""
    found = {}
    for account in accounts:
        gate.open_for(account)
        # A breach knows no clock: it falls anywhere between two scrapes, which come at regular
        # times, and the gate has just closed at as regular ones.
        time.sleep(random.uniform(0, interval))
        shown.equity[account] = 79.0
        breached = shown.show(account)
        try:
            found[account] = (breached, gate.closed_at())
        except NotClosedError as error:
            print(f"{account}: {error}. Meanwhile, {seen()}")
    return found


def seen_by(url: str) -> Callable[[], str]:
    """What Prometheus saw of the exporter for as long as a gate is waited for."""
    names = (f'{UP.name}{{job="{EXPORTER_JOB}"}}', RULE_MISSED.name)
    window = f"[{PATIENCE_SECONDS:g}s]"

    def asked() -> str:
        prometheus = PrometheusApi(url)
        try:
            scraped, of = (
                sum(one.value for one in prometheus.instant(f"{how}({names[0]}{window})"))
                for how in ("sum_over_time", "count_over_time")
            )
            missed = prometheus.instant(f"sum(increase({names[1]}{window}))")
        except PrometheusError as error:
            return f"Prometheus does not say what it saw: {error}"
        finally:
            prometheus.close()
        lost = f"{missed[0].value:.0f}" if missed else "an unknown number of"
        return (
            f"{scraped:.0f} of {of:.0f} scrapes of the exporter worked, and {lost} evaluations of "
            "groups were missed"
        )

    return asked


def recorded_at(database: Path) -> dict[str, float]:
    """When each account's emergency first came to be on record."""
    found: dict[str, float] = {}
    for event in events(database, 0, _EVENTS):
        if event.event_type == EventType.ALERT_CREATED and event.payload is not None:
            limit, _, rest = str(event.payload.alert_id).partition("/")
            account, _, tier = rest.partition(":")
            if limit == "drawdown" and tier.startswith("emergency"):
                # One that ends and begins anew on a busy machine is on record again, later.
                found.setdefault(account, event.recorded_at.timestamp())
    return found


def by_hand(service: Receivers, gate: Gate) -> list[float]:
    """Milliseconds from a POST of the same alert until the gate refuses."""
    found = []
    for number in range(_BY_HAND):
        account = f"hand-{number}"
        gate.open_for(account)
        content = alert(
            "DRAWDOWN_EMERGENCY", risk_id=f"drawdown/{account}", account=account,
            limit="drawdown", tier="emergency", severity="emergency", escalation="none",
            category="drawdown", layer="portfolio", action="kill_switch",
        )  # fmt: skip
        began = time.time()
        service.post("/api/v2/alerts", [content])
        found.append((gate.closed_at() - began) * 1000)
    return found


def measured(
    folder: Path, count: int, interval: float, others: float, *, as_it_comes: bool
) -> tuple[list[Trial], list[float]]:
    """All trials whose gate closed, and the baseline."""
    names = ("receivers", "exporter", "prometheus", "listener")
    ports = {name: free_port() for name in names}
    text = _POLICY.format(interval=interval, others=others, **ports)
    (folder / "alerting.toml").write_text(text, encoding="utf-8")
    policy = load_policy(folder / "alerting.toml", {})
    accounts = [f"trial-{number}" for number in range(count)]
    with ExitStack() as stack:
        service = stack.enter_context(receivers(folder, text, port=ports["receivers"]))
        service.hear_watchdog()
        gate = Gate(service.data / "gate")
        hand = by_hand(service, gate)
        shown = _prepared(stack, policy, folder, accounts, ports)
        running = stack.enter_context(prometheus(folder / "prometheus", policy))
        until(lambda: len(shown.scraped_at) > 5 / interval, "it is scraped")
        if not as_it_comes:
            print(aligned(folder / "prometheus", policy, running))
        seen = seen_by(f"http://{policy.alerting.endpoints.prometheus}")
        at = trials(shown, gate, accounts, interval, seen)
        until(lambda: shown.sent.keys() >= at.keys(), "Prometheus tells everybody")
        # A kill that the store keeps waiting acts first, and is on record after.
        store = service.data / "audit" / "audit.db"
        until(lambda: recorded_at(store).keys() >= at.keys(), "all of it is on record")
        recorded = recorded_at(store)
    found = []
    for account, (breach, closed) in at.items():
        sent, evaluated = shown.sent[account]
        scrape = next(one for one in shown.scraped_at if one >= breach)
        found.append(Trial(breach, scrape, evaluated, sent, recorded[account], closed))
    return found, hand


def _prepared(
    stack: ExitStack, policy: Policy, folder: Path, accounts: Sequence[str], ports: dict[str, int]
) -> Shown:
    exporter = stack.enter_context(closing(RiskExporter(policy, folder / "exporter")))
    shown = Shown(exporter, dict.fromkeys(accounts, 100.0))
    for account in accounts:
        shown.show(account)
    stack.enter_context(exported(shown, (ports["exporter"], ports["listener"])))
    return shown


def show(found: Sequence[Trial], hand: Sequence[float], interval: float) -> None:
    """The stages, for people."""
    stages = ("breach", "scrape", "evaluation", "sent", "recorded", "gate")
    for before, after in pairwise(stages):
        took = [(getattr(one, after) - getattr(one, before)) * 1000 for one in found]
        print(Spread.of(took).shown(f"{before} to {after}"))
    whole = Spread.of([(one.gate - one.breach) * 1000 for one in found])
    print(whole.shown("breach to gate"))
    phase = statistics.median((one.evaluation - one.scrape) % interval for one in found) * 1000
    print(f"{'phase between scrape and evaluation':44} {phase:.0f} ms of {interval * 1000:g} ms")
    print(
        f"{'breach to gate less the phase':44} median {whole.median - phase:8.2f} ms, "
        f"p99 {whole.p99 - phase:8.2f} ms, worst {whole.worst - phase:8.2f} ms"
    )
    bare = Spread.of(hand)
    print(bare.shown("posted by hand to gate, baseline"))
    print(ratio("the medians", whole.median, bare.median))


def seconds(text: str) -> float:
    """Of 200ms or 1s."""
    if text.endswith("ms"):
        return float(text[:-2]) / 1000
    return float(text.removesuffix("s"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--interval", type=seconds, default=1.0, metavar="200ms")
    parser.add_argument(
        "--others", type=seconds, metavar="1s", help="how often what trips nothing is evaluated"
    )
    parser.add_argument("--as-it-comes", action="store_true", help="choose no name for the group")
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        found, hand = measured(
            Path(name),
            given.trials,
            given.interval,
            given.others or given.interval,
            as_it_comes=given.as_it_comes,
        )
    show(found, hand, given.interval)
    if len(found) < given.trials:
        raise SystemExit(f"{given.trials - len(found)} of {given.trials} gates did not close")


if __name__ == "__main__":
    main()
