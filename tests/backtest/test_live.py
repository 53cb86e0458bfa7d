"""A backtest against the real thing: the same book, shown by a real exporter to a real Prometheus.

Both are shown the book without a gate: what it holds back changes a book, not what a book raises.

Live, a day is shown until every rule has judged it, and only then the next; so a loaded machine
makes this test slower and never wrong. On every day, the same alerts fire on both sides.

A trend is about time, and how long a day is shown differs from run to run. So what the rules of
trends have seen live, evaluation by evaluation, is replayed as a history of its own, at their pace
and in their phase; at every one of those evaluations, the same trends fire on both sides.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack_under_test import eventually

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, Limit
from risk_policy.catalogue.metrics import TREND_VALUE
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.clock import utc_now
from risk_policy.contracts.document import render
from risk_policy.contracts.limit_alert import bound, clear_level
from risk_policy.contracts.snapshot import Snapshot
from risk_policy.model.stack import Endpoints
from risk_policy.vocabulary import Escalation
from risk_rules import prometheus_config
from risk_rules.backtest import Clock, Firing, History, Replay, Series, merged
from risk_rules.groups import rule_files
from risk_rules.rule import RecordingRule, RuleGroup
from risk_rules.timing import trend_interval_seconds
from riskwarden.backtest.inputs import Book, Source, read
from riskwarden.backtest.measured import measured
from riskwarden.backtest.promtool import run_jobs

#: The weeks around the worst of it; a longer stretch may be asked for.
USUAL = date(2008, 9, 2)
FIRST = date.fromisoformat(os.environ.get("RISKWARDEN_LIVE_FIRST", str(USUAL)))
LAST = date.fromisoformat(os.environ.get("RISKWARDEN_LIVE_LAST", "2008-10-10"))
#: A scrape times out after its interval, so that is long; rules may be evaluated more often.
SCRAPE_SECONDS, EVALUATION_SECONDS = 1.0, 0.1
#: Some days. Buckets and samples of a trend (4.12 s, 0.201 s) have no common divisor, so a replay
#: can stand in any phase to the buckets, which begin at multiples of their length since 1970.
TREND_WINDOW_SECONDS = 24.1218
#: Limits whose trends are watched: of an account and of holdings, on either side. All of them would
#: keep Prometheus busy with little else; a longer stretch is asked for by who wants to see all.
TRENDS = {"daily_loss", "drawdown", "position_loss", "position_size"}
if FIRST < USUAL:
    TRENDS |= {limit.name for limit in LIMITS}
#: Recorded by the test wherever trends are evaluated.
EVALUATED = "test:evaluated"
#: Alert, what it is about, what it counts as, why.
Name = tuple[str, ...]


@pytest.fixture
def quick(policy: Policy) -> Policy:
    """The default policy, evaluated often, with short trends, and nothing acknowledged in time."""
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
                "threshold_based": how.threshold_based.model_copy(
                    update={"trend_window_minutes": TREND_WINDOW_SECONDS / 60, "min_datapoints": 2}
                ),
            }
        ),
    }
    return policy.model_copy(update={"alerting": alerting.model_copy(update=changed)})


@pytest.mark.timeout(1200 if FIRST == USUAL else 7200)
def test_every_day_the_same_alerts_fire_in_a_backtest_and_live(
    quick: Policy, tmp_path: Path
) -> None:
    source = read(None, Book("main", Decimal(1_000_000)), None, FIRST, LAST)
    history = measured(quick, "main", source.snapshots, source.closes, source.name)
    replay = Replay(quick, history, Clock.of(quick, 1.0))
    found = merged(run_jobs(list(replay.jobs()), workers=2))
    fired = by_row((one for one in found if not is_trend(one)), len(history.times))
    names = set().union(*fired)
    assert any(name[0] == "DRAWDOWN_EMERGENCY" for name in names)
    assert any(Escalation.FREQUENCY in name for name in names)
    assert any(name[0] == ALERT_STORM.name for name in names)

    days, seen = live(quick, replay.limits, source, tmp_path)
    different = {
        str(at.date()): {"backtest only": ours - theirs, "live only": theirs - ours}
        for at, ours, theirs in zip(history.times, fired, days, strict=True)
        if ours != theirs
    }

    assert different == {}
    # The one that is replayed soonest says as much here as all of those that rose, or that were
    # breached and did not; a longer stretch is asked for by who wants to see all.
    seen.sort(key=lambda one: len(one.grid))
    rising = [one for one in seen if any(one.fired)]
    never = [one for one in seen if not any(one.fired)]
    chosen = seen if FIRST < USUAL else (*rising[:1], *never[:1])
    assert set().union(*(compared(quick, one) for one in chosen))


def compared(policy: Policy, seen: Seen) -> set[Name]:
    """The trends of a limit, which are the same in a backtest of what its rules have seen."""
    replay = Replay(policy, seen.history(), Clock.of(policy, seen.step), whole=True)
    found = run_jobs(list(replay.jobs()), workers=1)
    fired = by_row((one for one in found if is_trend(one)), len(seen.grid))
    rows = seen.comparable(policy)
    different = {
        row: {
            "backtest only": fired[row] - seen.fired[row],
            "live only": seen.fired[row] - fired[row],
        }
        for row in rows
        if fired[row] != seen.fired[row]
    }
    assert different == {}, seen.limit.name
    return set().union(*(fired[row] for row in rows))


@dataclass(frozen=True)
class Seen:
    """What the rules of one limit's trends have seen live, and what fired, row by row.

    Attributes:
        grid: when each row was evaluated, or should have been, in milliseconds since 1970. The
            first rows are before the first evaluation, for the phase.
        evaluated: when it was.
        values: what was seen, by labels.
    """

    limit: Limit
    step: float
    grid: range
    evaluated: frozenset[int]
    values: Mapping[tuple[tuple[str, str], ...], Mapping[int, float]]
    fired: Sequence[set[Name]]

    def history(self) -> History:
        """As if an exporter had shown it."""
        epoch = datetime.fromtimestamp(0, UTC)
        series = [
            Series(
                self.limit.metric.name,
                dict(names),
                tuple(value if (value := seen.get(at)) is None else self.limit.side.sign * value
                      for at in self.grid),
            )
            for names, seen in self.values.items()
        ]  # fmt: skip
        return History(
            "main",
            tuple(epoch + timedelta(milliseconds=at) for at in self.grid),
            (0.0,) * len(self.grid),
            tuple(series),
        )

    def comparable(self, policy: Policy) -> list[int]:
        """Rows at which both sides know the same of the breaches that trends are about.

        Live, those are judged beside it: at the first evaluation of a day maybe not yet. And a
        row that was skipped live is empty in the replay: a breach that only goes on, on neither
        side of its tier, ends there.
        """
        found = set(range(self._first + 2, len(self.grid)))
        for seen in self.values.values():
            values = [seen.get(at) for at in self.grid]
            found -= {row for row in found if len(set(values[row - 2 : row + 1])) > 1}
            for spec in self.limit.alerts:
                ends, begins = (
                    self.limit.side.sign * level(policy, self.limit, spec)
                    for level in (clear_level, bound)
                )
                in_doubt = False
                for row, value in enumerate(values):
                    skipped = self.grid[row] not in self.evaluated
                    in_doubt = skipped if value is None else in_doubt and ends <= value <= begins
                    found -= {row} if in_doubt else set()
        return sorted(found)

    @property
    def _first(self) -> int:
        return self.grid.index(min(self.evaluated))


def is_trend(firing: Firing) -> bool:
    return firing.labels["escalation"] == Escalation.TREND


def by_row(found: Iterable[Firing], rows: int) -> list[set[Name]]:
    firing: list[set[Name]] = [set() for _ in range(rows)]
    for one in found:
        for row in range(one.began, rows if one.ended is None else one.ended):
            firing[row].add(name_of(one.labels))
    return firing


def name_of(labels: Mapping[str, str]) -> Name:
    return tuple(labels[key] for key in ("alertname", "risk_id", "severity", "escalation"))


def live(
    policy: Policy, limits: tuple[Limit, ...], source: Source, folder: Path
) -> tuple[list[set[Name]], list[Seen]]:
    """What a real Prometheus has firing, day by day; and what the rules of trends have seen."""
    at = Endpoints(**{name: f"127.0.0.1:{free_port()}" for name in Endpoints.model_fields})
    (folder / "rules").mkdir()
    (folder / "prometheus.yml").write_text(prometheus_config(policy, at))
    for name, groups in rule_files(policy, limits).items():
        watched = [group for group in groups if name in TRENDS or not is_of_trends(group)]
        text = render(policy, {"groups": [marked(group).document() for group in watched]})
        (folder / "rules" / f"{name}.yml").write_text(text)
    with RiskExporter(policy, folder / "exporter") as exporter:
        exporter.seed_closes("main", {s: dict(days) for s, days in source.closes.items()})
        with ExporterServer(exporter, listen=at.exporter), prometheus(folder, at.prometheus) as it:
            days = [it.judge(exporter, snapshot) for snapshot in source.snapshots]
            return days, [it.seen(policy, limit) for limit in limits if it.was_breached(limit)]


def is_of_trends(group: RuleGroup) -> bool:
    return group.name.endswith("-trend")


def marked(group: RuleGroup) -> RuleGroup:
    """The group, which also records when it was evaluated if it is about trends."""
    limit = group.name.removeprefix("riskwarden-").removesuffix("-trend")
    if not is_of_trends(group):
        return group
    mark = RecordingRule(EVALUATED, "vector(1)", {"limit": limit})
    return replace(group, rules=(*group.rules, mark))


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
            for alert in self._ask('ALERTS{alertstate="firing",escalation!="trend"}')
            if is_about_risk(alert["metric"])
        }

    def was_breached(self, limit: Limit) -> bool:
        """Whether it has a trend to speak of: that is one of a breach, towards a worse one."""
        breached = f'last_over_time(risk:breach_since_seconds{{limit="{limit.name}"}}[1h])'
        return bool(
            self._ask(
                f'{breached} and on () last_over_time({EVALUATED}{{limit="{limit.name}"}}[1h])'
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
            for one in self._ask(f"{selector}[1h]")
        ]

    def _ask(self, query: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self._get("/api/v1/query", query=query)["result"]
        return result

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(path, params=parameters).raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


def in_phase(policy: Policy, first: int, last: int) -> range:
    """Milliseconds from evaluation to evaluation, from one that a replay can begin with.

    A replay begins at its zero, and with it a bucket of its trends; so it has to begin at a
    multiple of a bucket's length.
    """
    step = round(trend_interval_seconds(policy) * 1000)
    bucket = round(TREND_WINDOW_SECONDS * 1000 / 6 + step / 2)
    assert math.gcd(step, bucket) == 1
    began = next(at for at in range(first, 0, -step) if at % bucket == 0)
    return range(began, last + 1, step)


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
