"""The generated configuration in a real Prometheus: a breach reaches both feeds at once."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import risk_rules
from risk_policy import Policy
from risk_policy.model.stack import Endpoints

METRICS = b'risk_drawdown_ratio{account="main",risk_id="drawdown/main"} 0.25\n'
Delivery = tuple[str, list[dict[str, Any]]]


@contextmanager
def part(deliveries: list[Delivery], patience: threading.Event | None = None) -> Iterator[int]:
    """Exporter and feed in one; with ``patience`` it hangs on every delivery. Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(METRICS)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/api/v2/alerts"
            deliveries.append((self.headers.get("Authorization", ""), body))
            if patience is not None:
                patience.wait(30)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            try:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                """The other side did not wait."""

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        if patience is not None:
            patience.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[None]:
    """A running Prometheus on the configuration in a folder."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--rules.alert.resend-delay=3s",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_a_hung_alertmanager_does_not_keep_the_kill_alert_from_the_alert_feed(
    policy: Policy, write: Callable[[Path, dict[str, str]], Path], tmp_path: Path
) -> None:
    machine: list[Delivery] = []
    people: list[Delivery] = []
    with part(machine) as receivers, part(people, threading.Event()) as alertmanager:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            own = int(probe.getsockname()[1])
        at = Endpoints(
            exporter=f"127.0.0.1:{receivers}",
            receivers=f"127.0.0.1:{receivers}",
            alertmanager=f"127.0.0.1:{alertmanager}",
            prometheus=f"127.0.0.1:{own}",
        )
        files = risk_rules.generate_rules(policy)
        write(tmp_path, {**files, "prometheus.yml": risk_rules.prometheus_config(policy, at)})
        with prometheus(tmp_path, own):

            def kill_alerts() -> list[dict[str, Any]]:
                return [
                    alert
                    for _, body in list(machine)
                    for alert in body
                    if alert["labels"]["alertname"] == "DRAWDOWN_EMERGENCY"
                ]

            deadline = time.monotonic() + 30
            tick = threading.Event()
            # Repeated although Alertmanager has never answered anything.
            while len(kill_alerts()) < 2 or not people:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                tick.wait(0.05)
            assert kill_alerts()[0]["labels"] == {
                "alertname": "DRAWDOWN_EMERGENCY",
                "limit": "drawdown",
                "risk_id": "drawdown/main",
                "account": "main",
                "tier": "emergency",
                "severity": "emergency",
                "escalation": "none",
                "category": "drawdown",
                "layer": "portfolio",
                "action": "kill_switch",
            }
    assert {authorization for authorization, _ in machine} == {"Bearer token"}
    assert {authorization for authorization, _ in people} == {""}
