"""A real Alertmanager on the generated configuration, and the webhook it delivers to."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port

import risk_alertmanager
from risk_policy import Policy, default_policy_path, parse_policy
from risk_policy.model.stack import Endpoints

TOKEN = "token-of-the-notification-feed"


@pytest.fixture(scope="session")
def policy_with() -> Callable[..., Policy]:
    """The committed policy, with some of its lines changed and others added."""

    def edited(*edits: tuple[str, str], more: str = "") -> Policy:
        text = default_policy_path().read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the policy"
            text = text.replace(old, new)
        return parse_policy((text + more).encode(), environ={})

    return edited


@pytest.fixture(scope="session")
def policy(policy_with: Callable[..., Policy]) -> Policy:
    """The committed policy."""
    return policy_with()


@dataclass
class Notification:
    """One delivery."""

    at: float
    path: str
    authorization: str
    body: dict[str, Any]


@dataclass
class Webhook:
    """What has been delivered so far."""

    port: int
    notifications: list[Notification] = field(default_factory=list)

    def delivered(self, **wanted: str) -> list[Notification]:
        """Deliveries that hold an alert with these labels."""
        return [
            notification
            for notification in list(self.notifications)
            if any(wanted.items() <= a["labels"].items() for a in notification.body["alerts"])
        ]


@dataclass
class Alertmanager:
    """A running Alertmanager."""

    port: int
    webhook: Webhook

    def post(self, *alerts: dict[str, str], annotations: dict[str, str] | None = None) -> None:
        """Let alerts fire, as Prometheus does."""
        body = [{"labels": labels, "annotations": annotations or {}} for labels in alerts]
        assert self._ask("POST", "/api/v2/alerts", body)[0] == 200

    def resolve(self, *alerts: dict[str, str]) -> None:
        """Let alerts end."""
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        body = [{"labels": labels, "endsAt": ended} for labels in alerts]
        assert self._ask("POST", "/api/v2/alerts", body)[0] == 200

    def inhibited(self) -> list[dict[str, str]]:
        """Labels of the alerts that another alert keeps quiet."""
        alerts = self._ask("GET", "/api/v2/alerts")[1]
        return [alert["labels"] for alert in alerts if alert["status"]["inhibitedBy"]]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._ask("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            is_json = content[:1] in (b"[", b"{")
            return response.status, json.loads(content) if is_json else None
        finally:
            connection.close()


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Waits until a condition holds, or fails."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        tick = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
            tick.wait(0.02)

    return wait


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A server that takes notifications."""
    received = Webhook(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.notifications.append(
                Notification(
                    time.monotonic(),
                    self.path,
                    self.headers.get("Authorization", ""),
                    json.loads(body),
                )
            )
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def start(
    webhook: Webhook, until: Callable[..., None], tmp_path: Path
) -> Iterator[Callable[[Policy], Alertmanager]]:
    """Starts Alertmanager on what a policy generates."""
    processes: list[subprocess.Popen[bytes]] = []

    def started(
        policy: Policy,
        environ: Mapping[str, str] | None = None,
        *,
        dead: bool = False,
    ) -> Alertmanager:
        port = free_port()
        endpoints = Endpoints(
            # Nothing listens on port 9, so receivers that are there are dead.
            receivers=f"127.0.0.1:{9 if dead else webhook.port}",
            alertmanager=f"127.0.0.1:{port}",
        )
        config = tmp_path / "alertmanager.yml"
        reveal = (lambda secret: secret.reveal(environ)) if environ else None
        text = risk_alertmanager.alertmanager_config(policy, endpoints, reveal)
        config.write_text(text, encoding="utf-8")
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "notification_feed_token").write_text(TOKEN + "\n")
        binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert binary, "install prometheus-alertmanager"
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={config}",
                    f"--storage.path={tmp_path / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--cluster.listen-address=",
                ],
                stdout=output,
                stderr=output,
            )
        processes.append(process)
        alertmanager = Alertmanager(port, webhook)
        until(lambda: process.poll() is not None or alertmanager.is_ready(), "Alertmanager ready")
        assert process.poll() is None, log.read_text()
        return alertmanager

    yield started
    for process in processes:
        process.terminate()
        process.wait(10)
