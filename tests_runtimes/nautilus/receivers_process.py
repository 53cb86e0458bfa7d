"""Real receivers as a process, in the virtual environment that has what they need."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

TOKENS: Final = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": "operator-secret",
}
_POLICY: Final = """
[alerting.gate]
lease_seconds = 2
renew_seconds = 0.1
[alerting.dead_man]
prometheus_seconds = 300
[alerting.prometheus]
evaluation_interval_seconds = 0.2
resend_delay_seconds = 0.25
"""


def eventually(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait until a condition holds and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        signal.sigtimedwait([], 0.02)
    return found


class ReceiversProcess:
    """Over one folder; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.policy = folder / "alerting.toml"
        self.policy.write_text(_POLICY)
        self.data = folder / "receivers"
        self._log = folder / "receivers.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._listen = f"127.0.0.1:{free.getsockname()[1]}"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._listen}"

    @property
    def gate(self) -> Path:
        return self.data / "gate"

    def start(self) -> ReceiversProcess:
        python = os.environ.get("RISKWARDEN_PYTHON", sys.executable)
        arguments = ("--policy", str(self.policy), "--data", str(self.data))
        addresses = ("--listen", self._listen, "--alertmanager", "127.0.0.1:1")
        with self._log.open("ab") as log:
            self._child = child = subprocess.Popen(
                [python, "-m", "risk_receivers", *arguments, *addresses],
                stdout=log,
                stderr=log,
                env={**os.environ, **TOKENS},
            )

        def ready() -> bool:
            assert child.poll() is None, self._log.read_text()
            return self.call("GET", "/readyz") is not None

        eventually(ready, "the receivers are ready")
        # Prometheus's sign of life, without which the gate does not open.
        now = datetime.now(UTC)
        watchdog = {
            "labels": {"alertname": "Watchdog", "risk_id": "watchdog", "severity": "debug"},
            "annotations": {},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=5)).isoformat(),
        }
        self.call("POST", "/api/v2/alerts", "ALERT_FEED", [watchdog])
        return self

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait(20)
            self._child = None

    def call(self, method: str, path: str, role: str = "OPERATOR", content: Any = None) -> Any:
        """The answer's JSON; None if there is none."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Authorization": f"Bearer {TOKENS[f'RISKWARDEN_{role}_TOKEN']}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.loads(response.read() or b"{}")
        except (urllib.error.URLError, ConnectionError):
            return None
        except ValueError:
            return {}

    def switch(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/api/v1/system/status")["kill_switch"]
        return found

    def recorded(self) -> list[dict[str, Any]]:
        """The audit chain, oldest first."""
        found: list[dict[str, Any]] = self.call("GET", "/api/v1/audit?limit=1000")["events"]
        return sorted(found, key=lambda one: one["header"]["seq"])
