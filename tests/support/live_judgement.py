"""A book shown day by day to a real Prometheus, and what it has firing on each."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from free_ports import free_port
from stack_under_test import eventually
from trends_seen import Name, Seen, in_phase, name_of

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, Limit
from risk_policy.catalogue.metrics import TREND_VALUE
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.clock import utc_now
from risk_policy.contracts.document import render
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.model.stack import Endpoints
from risk_rules import prometheus_config
from risk_rules.groups import rule_files
from risk_rules.rule import AlertRule, RecordingRule, RuleGroup
from risk_rules.timing import trend_interval_seconds
from riskwarden.backtest.inputs import Source

#: Recorded at the end of each group, at the time of its evaluation.
EVALUATED = "test:evaluated"
#: Breaches, then how often they began, then how many of them there are, and what that raises.
ROUNDS = 3


@dataclass(frozen=True)
class Day:
    """A day as it was judged live.

    Attributes:
        asked: when every rule had judged it, and it was asked what fires, in seconds since 1970.
        firing: what fired then, trends apart.
    """

    asked: float
    firing: set[Name]


@dataclass(frozen=True)
class Scrape:
    """What Prometheus was shown by the exporter, in seconds since 1970: when, and as of when."""

    at: float
    market_time: float


def live(
    policy: Policy, limits: tuple[Limit, ...], source: Source, trends: set[str], folder: Path
) -> tuple[list[Day], list[Scrape], list[Seen]]:
    """What a real Prometheus has firing, day by day, and what it has scraped; and what the rules of
    trends have seen.

    Parameters:
        trends: names of the limits whose trends are watched.
    """
    at = Endpoints(**{name: f"127.0.0.1:{free_port()}" for name in Endpoints.model_fields})
    (folder / "rules").mkdir()
    (folder / "prometheus.yml").write_text(prometheus_config(policy, at))
    watched = [
        wordless(marked(group))
        for name, groups in rule_files(policy, limits).items()
        for group in groups
        if is_asked_about(group) and (name in trends or not is_of_trends(group))
    ]
    text = render(policy, {"groups": [group.document() for group in watched]})
    (folder / "rules" / "watched.yml").write_text(text)
    with RiskExporter(policy, folder / "exporter") as exporter:
        exporter.seed_closes("main", {s: dict(days) for s, days in source.closes.items()})
        with (
            ExporterServer(exporter, listen=at.exporter),
            prometheus(folder, at.prometheus, len(watched)) as it,
        ):
            days = [it.judge(exporter, snapshot) for snapshot in source.snapshots]
            seen = [it.seen(policy, limit) for limit in limits if it.was_breached(limit)]
            return days, it.scrapes(), seen


def is_of_trends(group: RuleGroup) -> bool:
    return group.name.endswith("-trend")


def is_asked_about(group: RuleGroup) -> bool:
    """Whether it has alerts about risk. No other group records what those depend on."""
    return any(
        is_about_risk({"alertname": rule.name, **rule.labels})
        for rule in group.rules
        if isinstance(rule, AlertRule)
    )


def marked(group: RuleGroup) -> RuleGroup:
    """The group, which also records when it was evaluated."""
    about = {"limit": group.name.removeprefix("riskwarden-").removesuffix("-trend")}
    if not is_of_trends(group):
        about = {"group": group.name}
    return replace(group, rules=(*group.rules, RecordingRule(EVALUATED, "vector(1)", about)))


def wordless(group: RuleGroup) -> RuleGroup:
    """The group without what its alerts say: Prometheus words it anew at each evaluation, which is
    half of what a firing alert costs, and nobody reads it here."""
    return replace(
        group,
        rules=tuple(
            replace(rule, annotations={}) if isinstance(rule, AlertRule) else rule
            for rule in group.rules
        ),
    )


class Prometheus:
    """A running Prometheus with so many groups of rules, asked over HTTP."""

    def __init__(self, address: str, groups: int) -> None:
        self._groups = groups
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

    def judge(self, exporter: RiskExporter, snapshot: Snapshot) -> Day:
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
            """Whether each group was evaluated for a time that is later, and is done with it."""
            renew()
            first = f"min(timestamp({EVALUATED}))"
            found = self._ask(f"{first} and (count({EVALUATED}) == {self._groups})")
            return bool(found) and float(found[0]["value"][1]) > since

        since = eventually(scraped, 60, f"{snapshot.trading_day} is scraped")
        for _ in range(ROUNDS):
            eventually(judged, 60, f"every rule has judged {snapshot.trading_day} again")
            asked = since = time.time()
        firing = {
            name_of(alert["metric"])
            for alert in self._ask('ALERTS{alertstate="firing",escalation!="trend"}')
            if is_about_risk(alert["metric"])
        }
        return Day(asked, firing)

    def scrapes(self) -> list[Scrape]:
        """Every scrape of the exporter that was answered, in order of time."""
        [(_, shown)] = self._samples("risk_market_timestamp_seconds")
        return [Scrape(at / 1000, market_time) for at, market_time in sorted(shown.items())]

    def was_breached(self, limit: Limit) -> bool:
        """Whether it has a trend to speak of: that is one of a breach, towards a worse one."""
        breached = f'last_over_time(risk:breach_since_seconds{{limit="{limit.name}"}}[12h])'
        return bool(
            self._ask(
                f'{breached} and on () last_over_time({EVALUATED}{{limit="{limit.name}"}}[12h])'
            )
        )

    def seen(self, policy: Policy, limit: Limit) -> Seen:
        """What the rules of a limit's trends have seen."""
        step = trend_interval_seconds(policy)
        about = f'{{limit="{limit.name}"}}'
        [(_, marks)] = self._samples(f"{EVALUATED}{about}")
        evaluated = frozenset(marks)
        fired = self._samples(
            f'ALERTS{{alertstate="firing",escalation="trend",limit="{limit.name}"}}'
        )
        values = {
            tuple(
                (name, text) for name, text in names.items() if name not in ("__name__", "limit")
            ): at
            for names, at in self._samples(f"{TREND_VALUE.name}{about}")
        }
        grid = in_phase(policy, min(evaluated), max(evaluated))
        rows = [{name_of(names) for names, at in fired if row in at} for row in grid]
        return Seen(limit, step, grid, evaluated, values, rows)

    def _samples(self, selector: str) -> list[tuple[dict[str, str], dict[int, float]]]:
        """Every sample of some series, by its time in milliseconds."""
        return [
            (one["metric"], {round(at * 1000): float(value) for at, value in one["values"]})
            for one in self._ask(f"{selector}[12h]")
        ]

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


@contextmanager
def prometheus(folder: Path, address: str, groups: int) -> Iterator[Prometheus]:
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
            env={**os.environ, "GOGC": "400"},
        )
    try:
        with Prometheus(address, groups) as running:
            eventually(running.is_ready, 30, "Prometheus is ready")
            yield running
    finally:
        process.terminate()
        process.wait(20)
