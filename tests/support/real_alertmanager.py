"""A real Alertmanager on the configuration that is generated from the receivers' policy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from free_ports import free_port

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


@contextmanager
def running_alertmanager(
    receivers: Any, folder: Path, wait_until: Callable[..., Any], policy_lines: str = ""
) -> Iterator[Alertmanager]:
    """Start one on the policy of receivers that have not started, which name each other then."""
    port = free_port()
    pace = PACE.format(receivers=free_port(), alertmanager=port)
    receivers.policy.write_text(receivers.policy.read_text() + pace + policy_lines)
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "notification_feed_token").write_text("notification-feed-secret\n")
    policy = load_policy(receivers.policy, receivers.environ)
    (folder / "alertmanager.yml").write_text(risk_alertmanager.alertmanager_config(policy))
    running = Alertmanager(folder, port, wait_until).start()
    try:
        yield running
    finally:
        running.stop()
        running.client.close()


def start_receivers(receivers: Any, wait_until: Callable[..., Any]) -> None:
    """Start receivers on the port that their policy names, and wait until they are ready."""
    port = int(receivers.policy.read_text().split('receivers = "127.0.0.1:')[1][:6].split('"')[0])
    process = receivers.spawn(port=port)

    def ready() -> bool:
        assert process.poll() is None, receivers.log
        try:
            return bool(receivers.call("GET", "/readyz").status_code == 200)
        except httpx.TransportError:
            return False

    wait_until(ready, 30, "the receivers are ready")
    receivers.hear_watchdog()
