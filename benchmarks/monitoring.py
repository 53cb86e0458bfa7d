"""A real Prometheus and a real Alertmanager for what is measured, as the policy configures them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import TOKENS, process, wait_until_ready

import risk_alertmanager
import risk_rules
from risk_policy import Policy


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


@contextmanager
def prometheus(folder: Path, policy: Policy) -> Iterator[subprocess.Popen[bytes]]:
    """Run it where the policy's endpoints say, on the generated rules."""
    timing = policy.alerting.prometheus
    files = {
        **risk_rules.generate_rules(policy),
        "prometheus.yml": risk_rules.prometheus_config(policy),
        "secrets/alert_feed_token": TOKENS["RISKWARDEN_ALERT_FEED_TOKEN"],
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    listen, log = policy.alerting.endpoints.prometheus, folder / "log"
    command = [binary("prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={listen}"]
    command += [f"--rules.alert.resend-delay={timing.resend_delay_seconds:g}s"]
    with process(command, log) as running:
        wait_until_ready(f"http://{listen}/-/ready", running, log)
        yield running
        running.kill()  # it would spend half a minute on writing what nobody will read
