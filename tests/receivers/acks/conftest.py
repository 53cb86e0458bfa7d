"""A real Alertmanager on the generated configuration, and the receivers it delivers to."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import risk_alertmanager
from risk_policy import load_policy

# What comes back here does so within seconds, and is to be told.
PACE = """
[alerting.cooldown]
enabled = false
[alerting.endpoints]
receivers = "127.0.0.1:{receivers}"
alertmanager = "127.0.0.1:{alertmanager}"
[alerting.routing.warning]
group_wait_seconds = 0.1
group_interval_seconds = 0.5
repeat_interval_seconds = 3600
[alerting.routing.critical]
group_interval_seconds = 0.5
repeat_interval_seconds = 3600
[alerting.routing.emergency]
group_interval_seconds = 0.5
repeat_interval_seconds = 3600
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Alertmanager:
    """A running Alertmanager, by its API and by amtool."""

    folder: Path
    port: int
    wait_until: Callable[..., Any]
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Alertmanager:
        binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert binary, "install prometheus-alertmanager"
        command = (
            *(binary, f"--config.file={self.folder / 'alertmanager.yml'}"),
            *(f"--storage.path={self.folder / 'data'}", "--cluster.listen-address="),
            f"--web.listen-address=127.0.0.1:{self.port}",
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

        def ready() -> bool:
            try:
                return self.client.get(f"{self.url}/-/ready").status_code == 200
            except httpx.TransportError:
                return False

        self.wait_until(ready, what="Alertmanager is ready")
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    @contextmanager
    def twin(self) -> Iterator[Alertmanager]:
        """Another one on the same configuration, as in a pair."""
        folder = self.folder.with_name("twin")
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("data"))
        other = Alertmanager(folder, free_port(), self.wait_until).start()
        try:
            yield other
        finally:
            other.stop()
            other.client.close()

    def lose_everything(self) -> None:
        """Start anew without what was stored."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        shutil.rmtree(self.folder / "data")
        self.start()

    def post(self, *alerts: dict[str, Any]) -> None:
        answer = self.client.post(f"{self.url}/api/v2/alerts", json=list(alerts))
        assert answer.status_code == 200, answer.text

    def silences(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"{self.url}/api/v2/silences").json()
        return found

    def active(self) -> list[dict[str, Any]]:
        return [one for one in self.silences() if one["status"]["state"] == "active"]

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get(f"{self.url}/api/v2/alerts").json()
        return found

    def amtool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["amtool", f"--alertmanager.url={self.url}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def silence(self, *matchers: str, lasting: str = "1h", author: str = "nadia") -> str:
        """A silence made by hand."""
        return self.amtool(
            *("silence", "add", f"--author={author}", "--comment=by hand", f"--duration={lasting}"),
            *matchers,
        )

    def expire(self, silence_id: str) -> None:
        self.amtool("silence", "expire", silence_id)


@dataclass
class People:
    """Receivers and Alertmanager together, fed as Prometheus feeds them."""

    receivers: Any
    alertmanager: Alertmanager
    words: Any
    wait_until: Callable[..., Any]

    def fire(self, *feeds: str, **names: str) -> None:
        """An alert fires: both hear of it, or only one."""
        alert = self.words.alert(ends=datetime.now(UTC) + timedelta(minutes=10), **names)
        self._send(feeds, alert)

    def resolve(self, *feeds: str, **names: str) -> None:
        self._send(feeds, self.words.alert(firing=False, **names))

    def _send(self, feeds: tuple[str, ...], alert: dict[str, Any]) -> None:
        if not feeds or "alertmanager" in feeds:
            self.alertmanager.post(alert)
        if not feeds or "receivers" in feeds:
            assert self.receivers.send("alerts", [alert]).status_code == 200

    def told(self, kind: str = "", incident: str = "") -> list[tuple[str, str]]:
        """(incident, kind) of every message, oldest first."""
        rows = self.receivers.rows(
            "SELECT subject, kind FROM message WHERE channel = 'console' ORDER BY id"
        )
        return [
            (subject, key)
            for subject, key in rows
            if key.startswith(kind) and (not incident or subject == incident)
        ]

    def await_told(self, kind: str, incident: str = "drawdown/main:warning:1") -> None:
        self.wait_until(lambda: self.told(kind, incident), what=f"told: {kind} {incident}")

    def ack(self, incident: str = "drawdown/main:warning:1", **more: str) -> dict[str, Any]:
        body = {"author": "olga", "comment": "on it", **more}
        answer = self.receivers.call("POST", f"/api/v1/incidents/{incident}/ack", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def unack(self, incident: str = "drawdown/main:warning:1") -> None:
        body = {"author": "pavel", "comment": "wrong one"}
        answer = self.receivers.call("DELETE", f"/api/v1/incidents/{incident}/ack", json=body)
        assert answer.status_code == 200, answer.text

    def incident(self, incident: str = "drawdown/main:warning:1") -> dict[str, Any]:
        found = self.receivers.call("GET", "/api/v1/incidents").json()["incidents"]
        (one,) = [one for one in found if one["id"] == incident]
        return dict(one)

    def acks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.receivers.call("GET", "/api/v1/acks").json()["acks"]
        return found

    def events(self, kind: str) -> list[Any]:
        return [event for event in self.receivers.chain() if event.event_type == kind]

    def acked_until(self, tier: str = "warning", risk_id: str = "drawdown/main") -> float | None:
        found: float | None = self.receivers.metric(
            f'risk_ack_until_seconds{{risk_id="{risk_id}",tier="{tier}"}}'
        )
        return found

    def start_receivers(self) -> None:
        port = int(
            self.receivers.policy.read_text().split('receivers = "127.0.0.1:')[1][:6].split('"')[0]
        )
        process = self.receivers.spawn(port=port)

        def ready() -> bool:
            assert process.poll() is None, self.receivers.log
            try:
                return bool(self.receivers.call("GET", "/readyz").status_code == 200)
            except httpx.TransportError:
                return False

        self.wait_until(ready, 30, "the receivers are ready")
        self.receivers.hear_watchdog()


@pytest.fixture
def policy_lines() -> str:
    """What a test adds to the policy."""
    return ""


@pytest.fixture
def alertmanager(
    stopped: Any, wait_until: Callable[..., Any], tmp_path: Path, policy_lines: str
) -> Iterator[Alertmanager]:
    """A running Alertmanager whose configuration comes from the receivers' policy."""
    port, receivers = free_port(), free_port()
    pace = PACE.format(receivers=receivers, alertmanager=port)
    stopped.policy.write_text(stopped.policy.read_text() + pace + policy_lines)
    folder = tmp_path / "alertmanager"
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "notification_feed_token").write_text("notification-feed-secret\n")
    policy = load_policy(stopped.policy, stopped.environ)
    (folder / "alertmanager.yml").write_text(risk_alertmanager.alertmanager_config(policy))
    running = Alertmanager(folder, port, wait_until).start()
    yield running
    running.stop()
    running.client.close()


@pytest.fixture
def people(
    stopped: Any, alertmanager: Alertmanager, words: Any, wait_until: Callable[..., Any]
) -> People:
    """Both, running and connected."""
    found = People(stopped, alertmanager, words, wait_until)
    found.start_receivers()
    wait_until(lambda: stopped.metric("risk_silences_synchronised") == 1, what="silences are seen")
    return found
