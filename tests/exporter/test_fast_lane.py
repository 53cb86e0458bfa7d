"""The lane towards a stand-in of the receivers: what is posted, when, and how often."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import FastLane, RiskExporter, StartError
from risk_policy import Policy, UnreadableVariableError, parse_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Snapshot

TOKEN = "the-alert-feed's-token"
POLICY = b"""
[alerting.prometheus]
resend_delay_seconds = 0.05
evaluation_interval_seconds = 0.05
feed_timeout_seconds = 0.2
"""


class Door(ThreadingHTTPServer):
    """Takes alerts as the receivers do, and answers what it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.is_open = threading.Event()
        self.is_open.set()
        self.headers: list[dict[str, str]] = []
        self.alerts: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.is_open.wait(10)
        self.server.headers.append({**self.headers, "path": self.path})
        self.server.alerts += json.loads(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.is_open.set()
        server.shutdown()
        thread.join()


def quick(confirm: int = 1) -> Policy:
    text = POLICY + f"[alerting.fast_lane]\nconfirm_snapshots = {confirm}\n".encode()
    return parse_policy(text, environ={})


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def start(url: str, policy: Policy | None = None) -> Iterator[RiskExporter]:
        policy = policy or quick()
        lane = FastLane(policy, TOKEN, url)
        with RiskExporter(policy, tmp_path / "state", fast_lane=lane) as exporter:
            yield exporter

    return start


def snapshot(equity: float) -> Snapshot:
    now = utc_now()
    return Snapshot(
        account="main", equity=equity, cash=equity, positions=(), taken_at=now, market_time=now
    )


def observe(exporter: RiskExporter, *equities: float) -> None:
    for equity in equities:
        exporter.observe(snapshot(equity))


def metric(exporter: RiskExporter, name: str, **labels: str) -> float:
    return next(
        float(value)
        for block in exporter.blocks()
        if block.metric.name == name
        for found, value in zip(block.labels, block.values, strict=True)
        if found == labels
    )


def test_a_breach_is_posted_with_the_token_and_repeated_while_it_lasts(
    run: Any, door: Door, eventually: Any
) -> None:
    with run(door.url) as exporter:
        observe(exporter, 100, 81)
        assert door.alerts == []
        before = utc_now()
        observe(exporter, 79)
        eventually(lambda: len(door.alerts) >= 3)
        first, *again = door.alerts[:3]
        assert door.headers[0]["Authorization"] == f"Bearer {TOKEN}"
        assert door.headers[0]["path"] == "/api/v2/alerts"
        assert first["labels"]["alertname"] == "DRAWDOWN_EMERGENCY"
        assert first["annotations"]["value"] == "21%"
        assert first["annotations"]["raised_by"] == "fast lane"
        assert before <= datetime.fromisoformat(first["startsAt"]) <= utc_now()
        for repeat in again:
            assert repeat["startsAt"] == first["startsAt"]
            assert repeat["endsAt"] > first["endsAt"], "it goes on"
        assert metric(exporter, "risk_fast_lane_on") == 1
        assert metric(exporter, "risk_fast_lane_unacknowledged") == 0
        assert metric(exporter, "risk_fast_lane_posts_total", outcome="acknowledged") >= 2
        observe(exporter, 82)
        eventually(lambda: quiet(door))


def quiet(door: Door) -> bool:
    """Whether several repeats' time passes without one."""
    count = len(door.alerts)
    threading.Event().wait(0.3)
    return len(door.alerts) == count


def test_a_single_phantom_snapshot_is_not_told_where_two_have_to_agree(
    run: Any, door: Door, eventually: Any
) -> None:
    with run(door.url, quick(confirm=2)) as exporter:
        observe(exporter, 100, 10, 100)
        assert quiet(door)
        assert door.alerts == []
        observe(exporter, 10, 10)
        eventually(lambda: door.alerts)


def test_a_snapshot_that_arrives_twice_is_one_where_two_have_to_agree(
    run: Any, door: Door, eventually: Any
) -> None:
    with run(door.url, quick(confirm=2)) as exporter:
        observe(exporter, 100)
        phantom = snapshot(10)
        exporter.observe(phantom)
        exporter.observe(phantom)  # whoever sent it had no answer
        assert quiet(door)
        assert door.alerts == []
        observe(exporter, 10)
        eventually(lambda: door.alerts)


@pytest.mark.parametrize(("status", "outcome"), [(503, "failed"), (401, "refused")])
def test_what_is_not_acknowledged_is_tried_again_until_it_is(
    run: Any, door: Door, eventually: Any, status: int, outcome: str
) -> None:
    door.status = status
    with run(door.url) as exporter:
        observe(exporter, 100, 70)
        eventually(lambda: metric(exporter, "risk_fast_lane_posts_total", outcome=outcome) >= 3)
        assert metric(exporter, "risk_fast_lane_unacknowledged") == 1
        door.status = 200
        eventually(lambda: metric(exporter, "risk_fast_lane_unacknowledged") == 0)


def test_a_breach_that_ended_before_anybody_heard_of_it_is_told_with_its_end(
    run: Any, door: Door, eventually: Any
) -> None:
    door.status = 503
    with run(door.url) as exporter:
        observe(exporter, 100, 70)
        eventually(lambda: door.alerts)
        observe(exporter, 100)
        ended = utc_now()
        door.status = 200
        eventually(lambda: metric(exporter, "risk_fast_lane_unacknowledged") == 0)
        assert datetime.fromisoformat(door.alerts[-1]["endsAt"]) <= ended
        assert quiet(door)


def test_receivers_that_are_down_or_hang_cost_neither_snapshots_nor_scrapes_any_time(
    run: Any, door: Door, eventually: Any
) -> None:
    door.is_open.clear()
    with run(door.url) as exporter:
        observe(exporter, 100, 70)
        began = time.monotonic()
        observe(exporter, *[69.0] * 50)
        tuple(exporter.blocks())
        assert time.monotonic() - began < 1.0
        eventually(lambda: metric(exporter, "risk_fast_lane_posts_total", outcome="unreachable"))
        door.is_open.set()
        eventually(lambda: metric(exporter, "risk_fast_lane_unacknowledged") == 0)


def test_the_token_reaches_no_log(
    run: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with run("http://127.0.0.1:1") as exporter:
        observe(exporter, 100, 70)
        eventually(lambda: metric(exporter, "risk_fast_lane_posts_total", outcome="unreachable"))
    assert "DRAWDOWN_EMERGENCY" in caplog.text
    assert TOKEN not in caplog.text


def test_without_a_token_or_switched_off_there_is_no_lane_and_the_exporter_says_so(
    monkeypatch: pytest.MonkeyPatch, exporter: RiskExporter
) -> None:
    monkeypatch.delenv("RISKWARDEN_ALERT_FEED_TOKEN", raising=False)
    assert FastLane.from_policy(parse_policy(b"", environ={})) is None
    assert "set ${RISKWARDEN_ALERT_FEED_TOKEN}" in FastLane.absence(parse_policy(b"", environ={}))
    monkeypatch.setenv("RISKWARDEN_ALERT_FEED_TOKEN", TOKEN)
    assert FastLane.from_policy(parse_policy(b"", environ={})) is not None
    off = b"[alerting.fast_lane]\nenabled = false"
    assert FastLane.from_policy(parse_policy(off, environ={})) is None
    assert metric(exporter, "risk_fast_lane_on") == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RISKWARDEN_ALERT_FEED_TOKEN_FILE", "/nowhere/at/all"),
        ("RISKWARDEN_ALERT_FEED_TOKEN", "vault://secret/desk#feed"),
    ],
)
def test_a_token_that_should_be_there_and_cannot_be_read_is_no_lane_that_nobody_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for name in ("RISKWARDEN_ALERT_FEED_TOKEN", "VAULT_ADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(UnreadableVariableError):
        FastLane.from_policy(parse_policy(b"", environ={}))


@pytest.mark.parametrize(
    ("url", "token"), [("127.0.0.1:9465", "t"), ("ftp://x", "t"), ("http://x", "a\nb")]
)
def test_what_could_never_be_posted_is_refused_at_the_start(url: str, token: str) -> None:
    with pytest.raises(StartError) as refused:
        FastLane(quick(), token, url)
    assert token not in str(refused.value) or token == "t"
