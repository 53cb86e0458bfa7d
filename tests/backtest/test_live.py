"""A backtest against the real thing: the same book, shown by a real exporter to a real Prometheus.

Live, a day is shown until every rule has judged it, and only then the next; so a loaded machine
makes this test slower and never wrong. On every day, the same alerts fire on both sides.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack_under_test import eventually

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, Limit
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.clock import utc_now
from risk_policy.contracts.document import render
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.model.stack import Endpoints
from risk_policy.vocabulary import Escalation
from risk_rules import prometheus_config
from risk_rules.backtest import Clock, Firing, Replay, merged
from risk_rules.groups import rule_files
from riskwarden.backtest.inputs import Book, Source, read
from riskwarden.backtest.measured import measured
from riskwarden.backtest.promtool import run_jobs

#: The weeks around the worst of it; a longer stretch may be asked for.
FIRST = date.fromisoformat(os.environ.get("RISKWARDEN_LIVE_FIRST", "2008-09-02"))
LAST = date.fromisoformat(os.environ.get("RISKWARDEN_LIVE_LAST", "2008-10-10"))
#: A scrape times out after its interval, so that is long; rules may be evaluated more often.
SCRAPE_SECONDS, EVALUATION_SECONDS = 1.0, 0.1
#: Alert, what it is about, what it counts as, why.
Name = tuple[str, ...]


@pytest.fixture
def quick(policy: Policy) -> Policy:
    """The default policy, evaluated often, without what depends on how long a day is shown."""
    alerting = policy.alerting
    how = alerting.escalation
    off = {"enabled": False}
    intervals = {
        "scrape_interval_seconds": SCRAPE_SECONDS,
        "evaluation_interval_seconds": EVALUATION_SECONDS,
    }
    changed = {
        "prometheus": alerting.prometheus.model_copy(update=intervals),
        "escalation": how.model_copy(
            update={
                "time_based": how.time_based.model_copy(update=off),
                "threshold_based": how.threshold_based.model_copy(update=off),
            }
        ),
    }
    return policy.model_copy(update={"alerting": alerting.model_copy(update=changed)})


@pytest.mark.timeout(1200)
def test_every_day_the_same_alerts_fire_in_a_backtest_and_live(
    quick: Policy, tmp_path: Path
) -> None:
    source = read(None, Book("main", Decimal(1_000_000)), None, FIRST, LAST)
    history = measured(quick, "main", source.snapshots, source.closes, source.name)
    replay = Replay(quick, history, Clock.of(quick, 1.0))
    fired = by_row(merged(run_jobs(list(replay.jobs()), workers=2)), len(history.times))
    names = set().union(*fired)
    assert any(name[0] == "DRAWDOWN_EMERGENCY" for name in names)
    assert any(Escalation.FREQUENCY in name for name in names)
    assert any(name[0] == ALERT_STORM.name for name in names)

    days = zip(history.times, fired, live(quick, replay.limits, source, tmp_path), strict=True)
    different = {
        str(at.date()): {"backtest only": ours - theirs, "live only": theirs - ours}
        for at, ours, theirs in days
        if ours != theirs
    }

    assert different == {}


def by_row(found: Sequence[Firing], rows: int) -> list[set[Name]]:
    firing: list[set[Name]] = [set() for _ in range(rows)]
    for one in found:
        for row in range(one.began, rows if one.ended is None else one.ended):
            firing[row].add(name_of(one.labels))
    return firing


def name_of(labels: Mapping[str, str]) -> Name:
    return tuple(labels[key] for key in ("alertname", "risk_id", "severity", "escalation"))


def live(
    policy: Policy, limits: tuple[Limit, ...], source: Source, folder: Path
) -> Iterator[set[Name]]:
    """What a real Prometheus has firing, day by day."""
    at = Endpoints(**{name: f"127.0.0.1:{free_port()}" for name in Endpoints.model_fields})
    (folder / "rules").mkdir()
    (folder / "prometheus.yml").write_text(prometheus_config(policy, at))
    for name, groups in rule_files(policy, limits).items():
        text = render(policy, {"groups": [group.document() for group in groups]})
        (folder / "rules" / f"{name}.yml").write_text(text)
    with RiskExporter(policy, folder / "exporter") as exporter:
        exporter.seed_closes("main", {s: dict(days) for s, days in source.closes.items()})
        with ExporterServer(exporter, listen=at.exporter), prometheus(folder, at.prometheus) as it:
            for snapshot in source.snapshots:
                yield it.judge(exporter, snapshot)


class Prometheus:
    """A running Prometheus, asked over HTTP."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def judge(self, exporter: RiskExporter, snapshot: Snapshot) -> set[Name]:
        """What fires once every rule has seen a snapshot."""
        renewed = 0.0

        def renew() -> None:
            nonlocal renewed
            if time.monotonic() - renewed > 1:  # data must not grow stale meanwhile
                renewed = time.monotonic()
                exporter.observe(snapshot.model_copy(update={"taken_at": utc_now()}))

        def scraped() -> float:
            renew()
            market = snapshot.market_time.timestamp()
            found = self._ask(f"timestamp(risk_market_timestamp_seconds == {market})")
            return float(found[0]["value"][1]) if found else 0.0

        def judged() -> bool:
            renew()
            return all(
                datetime.fromisoformat(group["lastEvaluation"][:26].rstrip("Z") + "+00:00")
                .timestamp() > since + group["interval"]
                for group in self._get("/api/v1/rules")["groups"]
                if group["name"].removeprefix("riskwarden-") not in ("system", "recorded")
            )  # fmt: skip

        since = eventually(scraped, 60, f"{snapshot.trading_day} is scraped")
        # The first round of groups counts what may have begun only in the one before.
        eventually(judged, 60, f"every rule has judged {snapshot.trading_day}")
        since = time.time()
        eventually(judged, 60, f"every rule has judged {snapshot.trading_day} once more")
        return {
            name_of(alert["metric"])
            for alert in self._ask('ALERTS{alertstate="firing"}')
            if is_about_risk(alert["metric"])
        }

    def _ask(self, query: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._get("/api/v1/query", query=query)["result"]
        return result

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(path, params=parameters).raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


def is_about_risk(labels: Mapping[str, str]) -> bool:
    """Not about the parts of the stack, most of which this run does without."""
    of_limits = {limit.name for limit in LIMITS}
    return labels.get("limit") in of_limits or labels["alertname"] == ALERT_STORM.name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def prometheus(folder: Path, address: str) -> Iterator[Prometheus]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        with Prometheus(address) as running:
            eventually(running.is_ready, 30, "Prometheus is ready")
            yield running
    finally:
        process.terminate()
        process.wait(20)
