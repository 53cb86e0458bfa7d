"""A real Prometheus and a real Alertmanager for what is measured, as the policy configures them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
from measure import PATIENCE_SECONDS, TOKENS, process, until, wait_until_ready

import risk_alertmanager
import risk_rules
from risk_policy import Policy
from risk_rules.errors import PhaseError
from riskwarden import alignment

#: Scrapes come once an interval, and tell nobody.
_ASK_AGAIN_SECONDS: Final = 0.2


def binary(*names: str) -> str:
    """Where the first of these is that is installed."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit(f"install {names[0]}: ./dev setup")
    return found


@contextmanager
def alertmanager(folder: Path, policy: Policy) -> Iterator[subprocess.Popen[bytes]]:
    """Run it where the policy's endpoints say; it hands on to the receivers there."""
    (folder / "secrets").mkdir(parents=True)
    token = TOKENS["RISKWARDEN_NOTIFICATION_FEED_TOKEN"]
    (folder / "secrets" / "notification_feed_token").write_text(token, encoding="ascii")
    configuration = risk_alertmanager.alertmanager_config(policy)
    (folder / "alertmanager.yml").write_text(configuration, encoding="utf-8")
    listen, log = policy.alerting.endpoints.alertmanager, folder / "log"
    command = [binary("prometheus-alertmanager", "alertmanager"), "--cluster.listen-address="]
    command += [f"--config.file={folder / 'alertmanager.yml'}"]
    command += [f"--storage.path={folder / 'data'}", f"--web.listen-address={listen}"]
    with process(command, log) as running:
        wait_until_ready(f"http://{listen}/-/ready", running, log)
        yield running


def prometheus_files(policy: Policy) -> dict[str, str]:
    """What it reads: the generated rules, its configuration, the token of the alert feed."""
    return {
        **risk_rules.generate_rules(policy),
        "prometheus.yml": risk_rules.prometheus_config(policy),
        "secrets/alert_feed_token": TOKENS["RISKWARDEN_ALERT_FEED_TOKEN"],
    }


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Put files where they are read."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def prometheus(
    folder: Path, policy: Policy, files: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it where the policy's endpoints say, on the generated rules unless it is given others."""
    timing = policy.alerting.prometheus
    write(folder, prometheus_files(policy) if files is None else files)
    listen, log = policy.alerting.endpoints.prometheus, folder / "log"
    command = [binary("prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={listen}"]
    command += [f"--rules.alert.resend-delay={timing.resend_delay_seconds:g}s"]
    with process(command, log) as running:
        wait_until_ready(f"http://{listen}/-/ready", running, log)
        yield running
        running.kill()  # it would spend half a minute on writing what nobody will read


def aligned(folder: Path, policy: Policy, running: subprocess.Popen[bytes]) -> str:
    """Have a running one evaluate what trips just behind its scrapes; what was done, for people."""
    url = f"http://{policy.alerting.endpoints.prometheus}"
    before = _measured(policy, url)
    if isinstance(before, PhaseError):
        return f"not aligned: {before}"
    alignment.write(before.groups, folder / "rules")
    running.send_signal(signal.SIGHUP)
    # After a reload it may know nobody to send alerts to for some seconds, and would wait for the
    # resend delay.
    names = {group.better for group in before.groups}
    until(lambda: _is_loaded(url, names), "Prometheus evaluates the groups under their names")
    return f"{', '.join(sorted(names))}: " + ", ".join(
        f"evaluated {group.would_wait_seconds * 1000:.0f} ms behind the samples, "
        f"{group.waits_seconds * 1000:.0f} ms before it had that name"
        for group in before.groups
    )


def _measured(policy: Policy, url: str) -> alignment.Alignment | PhaseError:
    """What a machine that is too busy does not show in time it does not show."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return alignment.measure(policy, url)
        except PhaseError as error:
            if time.monotonic() > deadline:
                return error
        time.sleep(_ASK_AGAIN_SECONDS)


def _is_loaded(url: str, names: Set[str]) -> bool:
    with suppress(httpx.TransportError):
        groups = httpx.get(f"{url}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        told = httpx.get(f"{url}/api/v1/alertmanagers", trust_env=False).json()["data"]
        return names <= {one["name"] for one in groups} and len(told["activeAlertmanagers"]) > 1
    return False
