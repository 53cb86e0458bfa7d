"""Two Prometheus, a cluster of two Alertmanagers and two receivers, and one runtime in a breach."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from free_ports import free_port
from loopback_http import LoopbackServer, Reply
from torture import Hook

import risk_alertmanager
import risk_rules
from risk_policy import load_policy

#: Every alert is told to people at once, by a webhook of the tests and by nothing else.
HOOK: Final = """
[alerting.deduplication]
enabled = false
[alerting.cooldown]
enabled = false
[alerting.rate_limits]
enabled = false
[alerting.channels.console]
enabled = false
[alerting.channels.file]
enabled = false
[alerting.channels.webhook]
enabled = true
min_severity = "DEBUG"
url = "${TORTURE_HOOK}"
hmac_secret = "${TORTURE_SECRET}"
"""
#: What is enough for a drawdown, for the Watchdog, and for what watches the parts themselves.
_RULES: Final = ("drawdown", "guard", "recorded", "system")
POLICY: Final = """
[alerting.gate]
lease_seconds = 2
renew_seconds = 0.1
[alerting.dead_man]
prometheus_seconds = 10
[alerting.prometheus]
evaluation_interval_seconds = 1
scrape_interval_seconds = 1
resend_delay_seconds = 3
more_alertmanagers = ["127.0.0.1:{alertmanagers[1]}"]
[alerting.system]
required_limits = ["drawdown"]
[alerting.endpoints]
receivers = "127.0.0.1:{receivers[0]}"
exporter = "127.0.0.1:{exporter}"
prometheus = "127.0.0.1:{prometheus[0]}"
alertmanager = "127.0.0.1:{alertmanagers[0]}"
[alerting.audit]
storage_backend = "postgresql"
[alerting.high_availability]
peers = ["127.0.0.1:{receivers[1]}"]
take_over_seconds = 3
[alerting.routing.warning]
group_wait_seconds = 0.1
group_interval_seconds = 1
repeat_interval_seconds = 5
[alerting.routing.critical]
group_interval_seconds = 1
repeat_interval_seconds = 5
[alerting.routing.emergency]
group_interval_seconds = 1
repeat_interval_seconds = 5
"""
_SERIES: Final = """\
risk_drawdown_ratio{{risk_id="drawdown/main",account="main"}} {drawdown}
risk_positions_open{{account="main"}} 1
risk_snapshot_age_seconds{{account="main"}} 0.1
"""


def hear(service: Any, hook: Hook) -> None:
    """Where the webhook is; its policy ends with HOOK."""
    service.environ |= {"TORTURE_HOOK": hook.url, "TORTURE_SECRET": "twice" * 8}


class Runtime(LoopbackServer):
    """What is scraped of an account whose drawdown a test sets."""

    drawdown = 0.0

    def answer(self, received: Any) -> Reply:
        del received
        self.received.clear()
        kind = {"Content-Type": "text/plain; version=0.0.4"}
        return Reply(200, _SERIES.format(drawdown=self.drawdown), kind)


@dataclass
class Part:
    """A process that is killed and started again."""

    command: tuple[str, ...]
    log: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20)


@dataclass
class Twice:
    """All of it but the receivers, whose policy is written here."""

    folder: Path
    wait_until: Callable[..., Any]
    runtime: Runtime = field(default_factory=Runtime)
    hook: Hook = field(default_factory=Hook)
    prometheus: list[Part] = field(default_factory=list)
    alertmanagers: list[Part] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def configure(self, pair: Any) -> None:
        """Write what everybody reads."""
        ports = [free_port() for _ in range(8)]
        self.ports = ports[:2]
        text = POLICY.format(
            receivers=ports[:2],
            prometheus=ports[2:4],
            alertmanagers=ports[4:6],
            exporter=self.runtime.url.rpartition(":")[2].rstrip("/"),
        )
        for service in (pair.one, pair.other):
            service.policy.write_text(text + HOOK)
            hear(service, self.hook)
        policy = load_policy(pair.one.policy, environ=pair.one.environ)
        tokens = {"alert_feed_token": "alert-feed-secret"}
        tokens["notification_feed_token"] = "notification-feed-secret"
        for number in range(2):
            self.prometheus.append(self._prometheus(policy, number, ports[2 + number], tokens))
            self.alertmanagers.append(self._alertmanager(policy, number, ports[4:], tokens))

    def start(self) -> None:
        for part in (*self.alertmanagers, *self.prometheus):
            part.start()
        for part in (*self.alertmanagers, *self.prometheus):
            self.wait_until(part.ready, 60, part.log.read_text)

    def kill_and_go_on(self, parts: list[Part], look: Callable[[], None]) -> None:
        """Kill either, look, and start it again, one after the other."""
        for part in parts:
            part.kill()
            look()
            part.start()
            self.wait_until(part.ready, 60, "it is back")

    def close(self) -> None:
        for part in (*self.prometheus, *self.alertmanagers):
            part.kill()

    def _prometheus(self, policy: Any, number: int, port: int, tokens: dict[str, str]) -> Part:
        folder = self._folder(f"prometheus{number}", tokens)
        (folder / "rules").mkdir()
        for name, text in risk_rules.generate(policy).items():
            is_wanted = name == "prometheus.yml" or (
                name.startswith("rules/") and Path(name).stem in _RULES
            )
            if is_wanted:
                (folder / name).write_text(text)
        command = (
            *("prometheus", f"--config.file={folder / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={folder / 'data'}", "--rules.alert.resend-delay=3s"),
            f"--web.listen-address=127.0.0.1:{port}",
        )
        return Part(command, folder / "log", f"http://127.0.0.1:{port}")

    def _alertmanager(
        self, policy: Any, number: int, ports: list[int], tokens: dict[str, str]
    ) -> Part:
        folder = self._folder(f"alertmanager{number}", tokens)
        for name, text in risk_alertmanager.generate(policy).items():
            (folder / name).write_text(text)
        binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert binary, "install prometheus-alertmanager"
        command = (
            *(binary, f"--config.file={folder / 'alertmanager.yml'}"),
            *(
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{ports[number]}",
            ),
            f"--cluster.listen-address=127.0.0.1:{ports[2 + number]}",
            f"--cluster.peer=127.0.0.1:{ports[3 - number]}",
            *("--cluster.peer-timeout=2s", "--cluster.settle-timeout=5s"),
        )
        return Part(command, folder / "log", f"http://127.0.0.1:{ports[number]}")

    def _folder(self, name: str, tokens: dict[str, str]) -> Path:
        folder = self.folder / name
        (folder / "secrets").mkdir(parents=True)
        for token, secret in tokens.items():
            (folder / "secrets" / token).write_text(secret)
        return folder
