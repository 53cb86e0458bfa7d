"""Start the stack in an order in which every part finds what it needs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

import risk_alertmanager
import risk_rules
from risk_policy import Policy
from risk_policy.contracts.artefact import with_tokens_beside
from risk_policy.model.stack import Endpoints
from risk_receivers.store.own import in_a_folder_of_its_own
from risk_rules.prometheus import RULES_FOLDER
from riskwarden.artefacts import settle
from riskwarden.stack.layout import Layout, StackError
from riskwarden.stack.ports import reserved_endpoints
from riskwarden.stack.processes import Child, Processes

#: A first start on a slow machine imports and compiles everything.
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Replay:
    """How the paper runtime replays history."""

    start: str | None
    end: str | None
    days_per_second: float


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs that are not ours."""

    prometheus: str
    alertmanager: str


def find_binaries() -> Binaries:
    """Prometheus and Alertmanager, or StackError with the command that installs them."""
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    missing = [
        package
        for package, path in (
            ("prometheus", prometheus),
            ("prometheus-alertmanager", alertmanager),
        )
        if path is None
    ]
    if prometheus is None or alertmanager is None:
        raise StackError(
            f"{' and '.join(missing)} not found; install with: "
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )
    return Binaries(prometheus, alertmanager)


class Stack:
    """The parts of a local stack on one data folder."""

    def __init__(self, policy: Policy, layout: Layout, processes: Processes) -> None:
        self.layout = layout
        self.endpoints = reserved_endpoints(policy.alerting.endpoints, processes.keep)
        self.policy = _own(_reachable_runbooks(policy, self.endpoints))
        self._processes = processes
        self._environ = layout.environment(policy)

    def url(self, part: str) -> str:
        """Base URL of a part: exporter, receivers, prometheus or alertmanager."""
        return f"http://{getattr(self.endpoints, part)}"

    def start(self, binaries: Binaries, replay: Replay, say: Callable[[str], None]) -> None:
        """Start everything and wait until each part is ready. Raises StackError."""
        self._configure()
        say("receivers")
        self.start_receivers()
        say("Alertmanager")
        self._await(self._alertmanager(binaries), "alertmanager", "/-/ready")
        say("paper runtime and exporter")
        self._await(self._runtime(replay), "exporter", "/healthz")
        say("Prometheus")
        self.start_prometheus(binaries)
        self.layout.write_endpoints(self.endpoints)

    def start_receivers(self) -> Child:
        """Start the receivers service and wait until it is ready. Raises StackError."""
        child = self._python(
            "receivers",
            "risk_receivers",
            *self._common(self.layout.root),
            "--listen",
            self.endpoints.receivers,
            "--alertmanager",
            self.endpoints.alertmanager,
            "--own-store",
            "--prometheus",
            self.endpoints.prometheus,
        )
        self._await(child, "receivers", "/readyz")
        return child

    def start_prometheus(self, binaries: Binaries) -> Child:
        """Start Prometheus and wait until it is ready; soon after it the gate opens."""
        child = self._prometheus(binaries)
        self._await(child, "prometheus", "/-/ready")
        return child

    def _configure(self) -> None:
        layout = self.layout
        # Prometheus loads whatever lies there, so nothing of an earlier version may be left.
        folder = layout.prometheus / RULES_FOLDER
        rules = risk_rules.generate_rules(self.policy)
        named = {name.removeprefix(f"{RULES_FOLDER}/"): text for name, text in rules.items()}
        settle({folder.relative_to(layout.root).as_posix(): named}, layout.root)
        config = risk_rules.prometheus_config(self.policy, self.endpoints)
        (layout.prometheus / "prometheus.yml").write_text(config, encoding="utf-8")
        layout.write_alertmanager(
            risk_alertmanager.alertmanager_config(
                self.policy, self.endpoints, reveal=lambda secret: secret.reveal(self._environ)
            )
        )
        layout.share_token("alert_feed_token", layout.prometheus)
        layout.share_token("notification_feed_token", layout.alertmanager)

    def _common(self, data: Path) -> Sequence[str]:
        return ("--policy", self.policy.source, "--data", str(data))

    def _python(self, name: str, module: str, *arguments: str) -> Child:
        return self._processes.start(
            name, (sys.executable, "-m", module, *arguments), self._environ
        )

    def _runtime(self, replay: Replay) -> Child:
        layout = self.layout
        optional = [
            part
            for flag, value in (("--start", replay.start), ("--end", replay.end))
            if value
            for part in (flag, value)
        ]
        return self._python(
            "runtime",
            "risk_runtime.paper",
            *self._common(layout.runtime),
            "--gate",
            str(layout.gate),
            "--receivers",
            self.url("receivers"),
            "--listen",
            self.endpoints.exporter,
            "--journal",
            str(layout.journal),
            "--days-per-second",
            f"{replay.days_per_second:g}",
            "--wait-for-scrape",
            f"{_READY_SECONDS:g}",
            *optional,
        )

    def _alertmanager(self, binaries: Binaries) -> Child:
        folder = self.layout.alertmanager
        return self._processes.start(
            "alertmanager",
            (
                binaries.alertmanager,
                f"--config.file={self.layout.alertmanager_config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.endpoints.alertmanager}",
                "--cluster.listen-address=",
            ),
            self._environ,
        )

    def _prometheus(self, binaries: Binaries) -> Child:
        folder = self.layout.prometheus
        settings = self.policy.alerting.prometheus
        return self._processes.start(
            "prometheus",
            (
                binaries.prometheus,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--storage.tsdb.retention.time={settings.retention_days}d",
                f"--web.listen-address={self.endpoints.prometheus}",
                f"--rules.alert.resend-delay={settings.resend_delay_seconds:g}s",
            ),
            self._environ,
        )

    def _await(self, child: Child, part: str, path: str) -> None:
        url = self.url(part) + path
        with httpx.Client(timeout=2.0, trust_env=False) as client:

            def ready() -> bool:
                try:
                    return client.get(url).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            self._processes.wait_until(child, ready, _READY_SECONDS)


def _reachable_runbooks(policy: Policy, endpoints: Endpoints) -> Policy:
    """The policy with runbook links that follow the receivers to the port they really use."""
    alerting = policy.alerting
    wanted, actual = alerting.endpoints.receivers, endpoints.receivers
    base = alerting.runbooks.base_url.replace(f"//{wanted}/", f"//{actual}/")
    runbooks = alerting.runbooks.model_copy(update={"base_url": base})
    return policy.model_copy(
        update={"alerting": alerting.model_copy(update={"runbooks": runbooks})}
    )


def _own(policy: Policy) -> Policy:
    """The policy with everything in the data folder: what only plays is nobody else's record."""
    policy = in_a_folder_of_its_own(policy)
    alerting = policy.alerting
    prometheus = alerting.prometheus.model_copy(
        update={"more_alertmanagers": (), "remote_write_file": ""}
    )
    more = {"prometheus": prometheus}
    return with_tokens_beside(
        policy.model_copy(update={"alerting": alerting.model_copy(update=more)})
    )
