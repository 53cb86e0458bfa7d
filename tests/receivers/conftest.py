"""A real receivers process on a free port, and the words its tests speak in."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import nursery
import pytest
from free_ports import free_port

from risk_policy.contracts import gate as contract
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.audit.verifier import Verification
from risk_receivers.verification import verify_store

POLICY = """
[alerting.gate]
lease_seconds = 2
renew_seconds = 0.1
[alerting.dead_man]
prometheus_seconds = 300
[alerting.prometheus]
evaluation_interval_seconds = 0.2
resend_delay_seconds = 0.25
[alerting.intake]
max_body_mib = 0.25
"""
TOKENS = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": "operator-secret",
}
#: Where neither Alertmanager nor Prometheus answers, not even one that this machine happens to run.
NOBODY = "127.0.0.1:1"
OPERATOR = TOKENS["RISKWARDEN_OPERATOR_TOKEN"]
FEEDS = {"alerts": "/api/v2/alerts", "notifications": "/api/v1/notifications"}


def eventually(condition: Callable[[], Any], seconds: float = 15.0, what: str = "") -> Any:
    """Wait until a condition holds and return what it returned.

    A look costs the service and its test some milliseconds of a processor: the longer it takes, the
    less often one is taken.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} s: {what or condition}"
        pause = min(0.02 + waited / 10, 0.1, seconds - waited)
        signal.sigtimedwait([], pause)
    return found


def labels(
    name: str = "DRAWDOWN_WARNING", risk_id: str = "drawdown/main", **more: str
) -> dict[str, str]:
    found = {
        "alertname": name,
        "risk_id": risk_id,
        "tier": "warning",
        "severity": "warning",
        "category": "drawdown",
        "action": "notify",
    }
    return {**found, **more}


EMERGENCY = {
    "name": "DRAWDOWN_EMERGENCY",
    "tier": "emergency",
    "severity": "emergency",
    "action": "kill_switch",
}


def wire_alert(
    *,
    firing: bool = True,
    starts: datetime | None = None,
    ends: datetime | None = None,
    **names: str,
) -> dict[str, Any]:
    """One alert as Prometheus sends it."""
    now = datetime.now(UTC)
    starts = starts or now - timedelta(seconds=1)
    ends = ends or (now + timedelta(seconds=60) if firing else now - timedelta(milliseconds=1))
    return {
        "labels": labels(**names),
        "annotations": {"description": "drawdown is 12.3 %", "value": "0.123"},
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        "generatorURL": "http://prometheus/graph",
    }


def tells_an_end(content: Any) -> bool:
    """Whether it is alerts of Prometheus's, one of which is over."""
    if not isinstance(content, list):
        return False
    now = datetime.now(UTC)
    return any(
        isinstance(alert, dict)
        and "Watchdog" not in str(alert.get("labels"))
        and isinstance(alert.get("endsAt"), str)
        and datetime.fromisoformat(alert["endsAt"]) <= now
        for alert in content
    )


def watchdog() -> dict[str, Any]:
    """The alert that always fires."""
    return wire_alert(name="Watchdog", risk_id="watchdog", severity="debug", tier="")


def webhook(*alerts: dict[str, Any], status: str = "firing") -> dict[str, Any]:
    """Alertmanager's webhook around some alerts."""
    never = "0001-01-01T00:00:00Z"
    inner = [
        {**alert, "status": status, "endsAt": never if status == "firing" else alert["endsAt"]}
        for alert in alerts
    ]
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "riskwarden",
        "alerts": inner,
    }


@dataclass
class Receivers:
    """A running service, as its neighbours see it."""

    data: Path
    policy: Path
    environ: dict[str, str]
    host: str = "127.0.0.1"
    port: int = 0
    prometheus: str = NOBODY
    process: nursery.Born | subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))
    has_prometheus: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        path = self.data.parent / "receivers.log"
        # The process opens it, which takes a moment.
        return path.read_text() if path.exists() else ""

    @property
    def database(self) -> Path:
        return self.data / "audit" / "audit.db"

    def spawn(
        self, program: Sequence[str] = (), port: int = 0
    ) -> nursery.Born | subprocess.Popen[bytes]:
        """Start the service, or a program that takes the same arguments, on a free port."""
        self.port = port or free_port()
        arguments: tuple[str, ...] = (
            *("--policy", str(self.policy), "--data", str(self.data)),
            *("--listen", f"{self.host}:{self.port}"),
            *("--prometheus", self.prometheus),
        )
        if "alertmanager =" not in self.policy.read_text():
            arguments += ("--alertmanager", NOBODY)
        log = self.data.parent / "receivers.log"
        if program[:1] in ((), ("-c",)):
            born = ("given_code", *program[1:]) if program else ("risk_receivers",)
            self.process = nursery.start(*born, *arguments, environ=self.environ, out=log)
            return self.process
        command = (sys.executable, *program, *arguments)
        with log.open("ab") as sink:
            self.process = subprocess.Popen(command, stdout=sink, stderr=sink, env=self.environ)
        return self.process

    def start(self, program: Sequence[str] = (), *, prometheus: bool = True) -> Receivers:
        """Start and wait until ready; Prometheus gives a sign of life unless told otherwise."""
        process = self.spawn(program)

        def ready() -> bool:
            assert process.poll() is None, self.log
            try:
                return self.client.get(f"{self.url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        eventually(ready, 30, "the service is ready")
        self.has_prometheus = prometheus
        return self.hear_watchdog() if prometheus else self

    def hear_watchdog(self, feed: str = "alerts") -> Receivers:
        """Prometheus's sign of life, without which the gate does not open."""
        alert = watchdog()
        content = [alert] if feed == "alerts" else webhook(alert)
        assert self.send(feed, content).status_code == 200
        return self

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def stop(self) -> int:
        return self.kill(signal.SIGTERM)

    def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(20)

    def send(self, feed: str, content: Any, token: str | None = None) -> httpx.Response:
        """Hand something to a feed. With an end comes the Watchdog, as a Prometheus sends both."""
        if self.has_prometheus and feed == "alerts" and tells_an_end(content):
            content = [watchdog(), *content]
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        secret = token or {"alerts": "alert-feed-secret"}.get(feed, "notification-feed-secret")
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        return self.client.post(self.url + FEEDS[feed], content=body, headers=headers)

    def call(self, method: str, path: str, token: str = OPERATOR, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, self.url + path, headers=headers, **more)

    def operator_kill(self, mode: str, reason: str = "a test") -> httpx.Response:
        return self.call(
            "POST", "/api/v1/kill", json={"mode": mode, "reason": reason, "actor": "tester"}
        )

    def status(self) -> dict[str, Any]:
        answer = self.call("GET", "/api/v1/system/status")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def metric(self, series: str) -> float | None:
        text = self.client.get(f"{self.url}/metrics").text
        for line in text.splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None

    def rows(self, sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def chain(self) -> list[StoredEvent]:
        return events(self.database, 0, 100_000)

    def event_types(self) -> list[str]:
        return [str(event.event_type) for event in self.chain()]

    def verified(self) -> Verification:
        return verify_store(self.database, signing_key=self.data / "audit" / "signing.key")

    def gate_is_open(self) -> bool:
        data = (self.data / "gate" / contract.LEASE_FILE).read_bytes()
        assert contract.fault(data, contract.boot_id()) is None
        lease, longest = (int.from_bytes(data[i : i + 8], "little") for i in (0, 24))
        return contract.lease_is_open(lease, longest, contract.now_ns())

    def gate_says_halt(self) -> bool:
        data = (self.data / "gate" / contract.LEASE_FILE).read_bytes()
        return data[:8] == bytes(8)

    def detail(self) -> contract.GateDetail:
        found = contract.read_detail(self.data / "gate")
        assert found is not None
        return found


def not_started(folder: Path) -> Receivers:
    policy = folder / "alerting.toml"
    policy.write_text(POLICY)
    return Receivers(folder / "data", policy, {**os.environ, **TOKENS})


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Receivers]:
    """A service that was never started, with a folder and a policy of its own."""
    service = not_started(tmp_path)
    yield service
    service.close()


@pytest.fixture
def receivers(stopped: Receivers) -> Receivers:
    """A running service."""
    return stopped.start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    """A running service for tests that leave its gate and its incidents as they were."""
    service = not_started(tmp_path_factory.mktemp("shared"))
    yield service.start()
    service.close()


@pytest.fixture(scope="session")
def service_in() -> Callable[[Path], Receivers]:
    """Makes a service that was never started, with a folder and a policy of its own."""
    return not_started


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    return eventually


@dataclass(frozen=True)
class Words:
    """Builders of what the feeds carry."""

    alert: Callable[..., dict[str, Any]] = wire_alert
    webhook: Callable[..., dict[str, Any]] = webhook
    emergency: dict[str, str] = field(default_factory=lambda: dict(EMERGENCY))

    def kill_alert(self, **more: Any) -> dict[str, Any]:
        return wire_alert(**{**EMERGENCY, **more})


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()
