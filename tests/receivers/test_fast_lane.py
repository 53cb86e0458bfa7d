"""The fast lane and Prometheus meet at real receivers: one incident, one kill, in either order."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import nursery
import pytest
import quick_yaml

from risk_exporter import FastLane, RiskExporter
from risk_exporter.fast_lane import KILL_TIERS
from risk_exporter.fast_lane.alert import annotations_of, labels_of
from risk_exporter.fast_lane.decision import decide, kill_tiers
from risk_policy import default_policy_path, load_policy
from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime import GateState, TradeGate

PROVEN = Path(__file__).parents[2] / "rules/generated/tests"
TOKEN = "alert-feed-secret"


@contextmanager
def exporting(receivers: Any, folder: Path) -> Iterator[RiskExporter]:
    policy = load_policy(receivers.policy, {})
    lane = FastLane(policy, TOKEN, receivers.url)
    with RiskExporter(policy, folder / "exporter", fast_lane=lane) as exporter:
        yield exporter


@contextmanager
def sidecar(
    receivers: Any, folder: Path, wait_until: Callable[..., Any]
) -> Iterator[Callable[[float], None]]:
    """A sidecar process that posts to the receivers; shows it an equity over HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    environ = {**receivers.environ, "RISKWARDEN_SNAPSHOT_TOKEN": "snapshot-secret"}
    process = nursery.start(
        "risk_exporter",
        *("--policy", str(receivers.policy), "--data", str(folder / "exporter")),
        *("--listen", listen, "--receivers", receivers.url),
        environ=environ,
        out=folder / "exporter.log",
    )

    def send(equity: float) -> None:
        now = datetime.now(UTC).isoformat()
        snapshot = {
            "account": "main", "equity": equity, "cash": equity, "positions": [], "taken_at": now,
        }  # fmt: skip
        answer = receivers.client.post(
            f"http://{listen}/api/v1/snapshot",
            json=snapshot,
            headers={"Authorization": "Bearer snapshot-secret"},
        )
        assert answer.status_code == 200, answer.text

    def is_up() -> bool:
        try:
            return bool(receivers.client.get(f"http://{listen}/healthz").status_code == 200)
        except httpx.TransportError:
            return False

    try:
        wait_until(is_up, 30, "the sidecar is up")
        yield send
    finally:
        process.kill()
        process.wait(20)
    assert TOKEN not in (folder / "exporter.log").read_text()


def show(exporter: RiskExporter, equity: float, account: str = "main") -> None:
    now = utc_now()
    exporter.observe(
        Snapshot(
            account=account, equity=equity, cash=equity, positions=(), taken_at=now, market_time=now
        )
    )


def of_prometheus(words: Any, **more: Any) -> dict[str, Any]:
    """The same alert as the generated rule makes it."""
    found: dict[str, Any] = words.kill_alert(
        limit="drawdown", layer="portfolio", escalation="none", account="main", **more
    )
    return found


def incidents(receivers: Any) -> list[Any]:
    rows: list[Any] = receivers.rows("SELECT risk_id, tier, episode, state FROM incident")
    return rows


def test_what_is_posted_is_what_promtool_proved_of_the_generated_rule(tmp_path: Path) -> None:
    policy = load_policy(default_policy_path(), {})
    assert ((DRAWDOWN, DRAWDOWN.alerts[-1]),) == KILL_TIERS, "the proof below is of these"
    document = quick_yaml.load((PROVEN / "drawdown.test.yml").read_text(encoding="utf-8"))
    (proven,) = (
        expected
        for group in document["tests"]
        for case in group.get("alert_rule_test", ())
        if case["alertname"] == "DRAWDOWN_EMERGENCY"
        for expected in case["exp_alerts"]
    )
    account = proven["exp_labels"]["account"]
    with RiskExporter(policy, tmp_path) as exporter:
        show(exporter, 100, account)
        show(exporter, 79.999999, account)
        shown = [
            (labels, value)
            for block in exporter.blocks()
            if block.metric is DRAWDOWN.metric
            for labels, value in zip(block.labels, block.values, strict=True)
        ]
    (watch,) = decide(kill_tiers(policy), 1, lambda _: shown, {}, utc_now(), utc_now()).values()
    assert labels_of(watch) == {"alertname": "DRAWDOWN_EMERGENCY", **proven["exp_labels"]}
    said = annotations_of(policy, watch)
    assert said.pop("raised_by") == "fast lane"
    assert said == proven["exp_annotations"]


def test_the_kill_switch_trips_while_prometheus_is_not_running(
    stopped: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start(prometheus=False)
    with sidecar(receivers, tmp_path, wait_until) as send:
        send(100)
        send(81)
        assert not receivers.gate_says_halt()
        send(79)
        wait_until(receivers.gate_says_halt, what="the gate is closed for good")
        switch = receivers.status()["kill_switch"]
        assert (switch["state"], switch["cause"]) == ("TRIPPED", "DRAWDOWN_EMERGENCY")
        reading = TradeGate(receivers.data / "gate").read()
        assert reading.state is GateState.HALTED
        send(100)
    # Nobody repeats it, and nobody said that it is over.
    wait_until(lambda: incidents(receivers)[0][3] == "EXPIRED", what="the incident expires")
    assert receivers.status()["kill_switch"]["state"] == "TRIPPED"
    assert receivers.verified().ok


@pytest.mark.parametrize("first", ["fast lane", "prometheus"])
def test_in_whichever_order_they_arrive_it_is_one_incident_that_prometheus_ends(
    receivers: Any, words: Any, tmp_path: Path, wait_until: Callable[..., Any], first: str
) -> None:
    fired = datetime.now(UTC)
    feed = 'risk_feed_alerts_total{feed="alerts",outcome="repeated"}'
    with exporting(receivers, tmp_path) as exporter:
        show(exporter, 100)
        if first == "prometheus":
            receivers.send("alerts", [of_prometheus(words, starts=fired)])
        show(exporter, 79)
        wait_until(receivers.gate_says_halt)
        if first == "fast lane":
            fired = datetime.now(UTC)
            receivers.send("alerts", [of_prometheus(words, starts=fired)])
        wait_until(lambda: (receivers.metric(feed) or 0) >= 3, what="both have been heard again")
        assert incidents(receivers) == [("drawdown/main", "emergency", 1, "CREATED")]
        show(exporter, 100)
        over = of_prometheus(
            words, firing=False, starts=fired, ends=datetime.now(UTC) + timedelta(microseconds=1)
        )
        for _ in range(2):
            receivers.send("alerts", [over])
    assert incidents(receivers) == [("drawdown/main", "emergency", 1, "RESOLVED")]
    kinds = receivers.event_types()
    assert kinds.count("ALERT_CREATED") == kinds.count("KILL_SWITCH_ACTIVATED") == 1
    assert kinds.count("ALERT_RESOLVED") == 1


def test_receivers_that_were_down_hear_of_a_breach_once_they_are_back(
    stopped: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start()
    receivers.kill()
    with exporting(receivers, tmp_path) as exporter:
        show(exporter, 100)
        show(exporter, 79)
        receivers.spawn(port=receivers.port)
        wait_until(receivers.gate_says_halt, 30, "the gate is closed for good")
        assert incidents(receivers) == [("drawdown/main", "emergency", 1, "CREATED")]
