"""Prometheus is stopped and killed in the middle of every timer; none of them starts anew."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port
from loopback_prometheus import Part, Prometheus, Vector, serving, until

import risk_rules
from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.model.stack import Endpoints

pytestmark = pytest.mark.stack

Write = Callable[[Path, dict[str, str]], Path]

#: Seconds that the policy of this test says.
CRITICAL, EMERGENCY, EVALUATION, COOLDOWN, CONFIRMATION = 6.0, 18.0, 30.0, 18.0, 8.0
TREND = 30.0
#: An evaluation earlier or later: both ends of a timer are only seen at one.
SLACK = 1.6

EDITS = (
    ("warning_to_critical_minutes = 5", "warning_to_critical_minutes = 0.1"),
    ("critical_to_emergency_minutes = 15", "critical_to_emergency_minutes = 0.3"),
    ("emergency_kill_switch_minutes = 30", "emergency_kill_switch_minutes = 0.5"),
    ("cooldown_minutes = 60", "cooldown_minutes = 0.3"),
    ("emergency_seconds = 0", "emergency_seconds = 8"),
    ("trend_window_minutes = 60", f"trend_window_minutes = {TREND / 60}"),
)
#: A drawdown that gets worse all the time: where it starts, and how fast.
SINKS_FROM, SINKS_PER_SECOND = 0.101, 0.0008


class Book:
    """What the scraped part says, to be changed at any time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: Vector = {}
        self.began = time.time()

    def say(self, account: str, metric: str, limit: str, value: float) -> None:
        """One figure of an account."""
        labels = f'account="{account}",risk_id="{limit}/{account}"'
        with self.lock:
            self.values[f"{metric}{{{labels}}}"] = value
            self.values[f'risk_snapshot_age_seconds{{account="{account}"}}'] = 0
            self.values[f'risk_positions_open{{account="{account}"}}'] = 1

    def exposition(self) -> bytes:
        """As a scrape reads it."""
        sunk = SINKS_FROM + SINKS_PER_SECOND * (time.time() - self.began)
        self.say("sinking", "risk_drawdown_ratio", "drawdown", sunk)
        with self.lock:
            return "".join(f"{name} {value!r}\n" for name, value in self.values.items()).encode()


@contextmanager
def part(book: Book, posted: list[dict[str, Any]]) -> Iterator[int]:
    """An exporter, or both feeds. Yields its port."""

    class Handler(Part):
        def scraped(self) -> None:
            self.answer(book.exposition())

        def delivered(self) -> None:
            posted.extend(self.posted())
            self.answer(b"")

    with serving(Handler) as port:
        yield port


def until_time(moment: float) -> None:
    """Wait for a wall-clock time."""
    until(lambda: time.time() >= moment, f"{moment}", 60)


@pytest.fixture
def running(
    policy_with: Callable[..., Policy], write: Write, tmp_path: Path
) -> Iterator[tuple[Prometheus, Book, list[dict[str, Any]]]]:
    policy = policy_with(*EDITS)
    book, posted = Book(), list[dict[str, Any]]()
    with part(book, []) as exporter, part(Book(), posted) as feeds:
        own = free_port()
        at = Endpoints(
            exporter=f"127.0.0.1:{exporter}",
            receivers=f"127.0.0.1:{feeds}",
            alertmanager=f"127.0.0.1:{feeds}",
            prometheus=f"127.0.0.1:{own}",
        )
        files = risk_rules.generate_rules(policy)
        write(tmp_path, {**files, "prometheus.yml": risk_rules.prometheus_config(policy, at)})
        prometheus = Prometheus(tmp_path, own)
        try:
            yield prometheus, book, posted
        finally:
            prometheus.end(signal.SIGTERM)


def firing(severity: str, escalation: str, name: str = "DRAWDOWN_WARNING") -> str:
    """Firing alerts of a name."""
    return (
        f'ALERTS{{alertname="{name}",severity="{severity}",escalation="{escalation}",'
        'alertstate="firing"}'
    )


@pytest.mark.long
def test_no_timer_starts_anew_when_prometheus_does(
    running: tuple[Prometheus, Book, list[dict[str, Any]]],
) -> None:
    prometheus, book, posted = running
    prometheus.start()
    book.say("waiting", "risk_drawdown_ratio", "drawdown", 0.12)
    book.say("confirmed", "risk_drawdown_ratio", "drawdown", 0.25)
    book.say("acked", "risk_drawdown_ratio", "drawdown", 0.12)
    book.say("cooling", "risk_intraday_drawdown_ratio", "intraday_drawdown", 0.035)
    start = utc_now().timestamp()
    acked = 'risk_ack_until_seconds{risk_id="drawdown/acked",tier="warning"}'
    with book.lock:
        book.values[acked] = start + 600
    breach = 'risk:breach_since_seconds{limit="drawdown",tier="warning"}'
    book.say("often", "risk_drawdown_ratio", "drawdown", 0.12)
    until(lambda: len(prometheus.query(breach)) == 5, "breaches")
    since = prometheus.query(breach)
    began = since["waiting"]
    acked_until = began + 10
    with book.lock:
        book.values[acked] = acked_until
    book.say("cooling", "risk_intraday_drawdown_ratio", "intraday_drawdown", 0.0)
    book.say("often", "risk_drawdown_ratio", "drawdown", 0.0)
    ended = time.time()

    # Before the first escalation, during confirmation, during the acknowledgement.
    # A Prometheus that has just started records no ALERTS for its first two evaluations: each
    # start leaves time for that before anything is due.
    until_time(began + 2.5)
    held = prometheus.query('risk:held_until_seconds{limit="intraday_drawdown",tier="critical"}')
    prometheus.end(signal.SIGKILL)
    book.say("often", "risk_drawdown_ratio", "drawdown", 0.12)
    prometheus.start()
    until_time(began + 9)
    prometheus.end(signal.SIGTERM)
    # Nothing is evaluated when the acknowledgement ends.
    until_time(acked_until + 2)
    prometheus.start()
    until(lambda: prometheus.query(breach).get("often", 0) > since["often"], "a second breach")
    book.say("often", "risk_drawdown_ratio", "drawdown", 0.0)
    until(lambda: "often" not in prometheus.query(breach), "its end")
    until_time(began + 22)
    prometheus.end(signal.SIGKILL)
    book.say("often", "risk_drawdown_ratio", "drawdown", 0.12)
    restarted = time.time()
    prometheus.start()
    until_time(began + EVALUATION + 3)
    # Three beginnings count, with a restart between each.
    often = firing("critical", "frequency")
    until(lambda: "often" in prometheus.query(often), "the frequency")
    counted = 'risk:breach_episodes{limit="drawdown",tier="warning",window="5m"}'
    assert prometheus.query(counted)["often"] == 3
    # A trend takes three sixths of its window to be one; after a restart it goes on.
    trend, seen = (
        f"timestamp({series}) > {restarted}"
        for series in (firing("critical", "trend"), "risk_drawdown_ratio")
    )
    until(lambda: "sinking" in prometheus.query(trend), "the trend")
    at = [prometheus.first(one, restarted, time.time())["sinking"] for one in (trend, seen)]
    assert at[0] - at[1] < 2 * TREND / 6

    latest = prometheus.query(breach)
    assert {**since, "often": latest["often"]} == latest
    now = time.time()
    first = {
        what: prometheus.first(expression, start - 2, now)
        for what, expression in {
            "critical": firing("critical", "time"),
            "emergency": firing("emergency", "time"),
            "evaluation": firing("emergency", "none", "KILL_SWITCH_EVALUATION"),
            "confirmed": firing("emergency", "none", "DRAWDOWN_EMERGENCY"),
        }.items()
    }
    assert first["critical"]["waiting"] - began == pytest.approx(CRITICAL, abs=SLACK)
    assert first["emergency"]["waiting"] - began == pytest.approx(EMERGENCY, abs=SLACK)
    assert first["evaluation"]["waiting"] - began == pytest.approx(EVALUATION, abs=SLACK)
    confirmed = first["confirmed"]["confirmed"] - since["confirmed"]
    assert confirmed == pytest.approx(CONFIRMATION, abs=SLACK)
    # The clock of what was acknowledged starts when the acknowledgement ended, to the moment.
    waits = prometheus.query('risk:unacked_since_seconds{limit="drawdown",tier="warning"}')
    assert waits["acked"] == pytest.approx(acked_until, abs=0.001)
    assert first["critical"]["acked"] - acked_until == pytest.approx(CRITICAL, abs=SLACK)
    # The cooldown counts from the end of the breach, and ends when it said it would.
    assert held["cooling"] - ended == pytest.approx(COOLDOWN, abs=SLACK)
    cooled = firing("critical", "none", "INTRADAY_DRAWDOWN_CRITICAL")
    lasted = prometheus.query(f"max_over_time(timestamp({cooled})[{int(now - start) + 5}s:200ms])")
    assert lasted["cooling"] == pytest.approx(held["cooling"], abs=SLACK)
    # Nothing that fires was ever said to have ended.
    over = [
        alert
        for alert in posted
        if alert["labels"]["alertname"] == "DRAWDOWN_WARNING"
        and alert["labels"]["account"] == "waiting"
        and alert["endsAt"] <= alert["startsAt"]
    ]
    assert over == []
