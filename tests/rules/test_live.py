"""The generated configuration in a real Prometheus: a breach reaches both feeds at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from free_ports import free_port
from loopback_prometheus import Part, Prometheus, serving

import risk_rules
from risk_policy import Policy
from risk_policy.model.stack import Endpoints

METRICS = b'risk_drawdown_ratio{account="main",risk_id="drawdown/main"} 0.25\n'
Delivery = tuple[str, list[dict[str, Any]]]


@contextmanager
def part(deliveries: list[Delivery], patience: threading.Event | None = None) -> Iterator[int]:
    """Exporter and feed in one; with ``patience`` it hangs on every delivery. Yields its port."""

    class Handler(Part):
        def scraped(self) -> None:
            self.answer(METRICS)

        def delivered(self) -> None:
            body = self.posted()
            assert self.path == "/api/v2/alerts"
            deliveries.append((self.headers.get("Authorization", ""), body))
            if patience is not None:
                patience.wait(30)
            self.answer(b"")

    with serving(Handler) as port:
        try:
            yield port
        finally:
            if patience is not None:
                patience.set()


def test_a_hung_alertmanager_does_not_keep_the_kill_alert_from_the_alert_feed(
    policy: Policy, write: Callable[[Path, dict[str, str]], Path], tmp_path: Path
) -> None:
    machine: list[Delivery] = []
    people: list[Delivery] = []
    with part(machine) as receivers, part(people, threading.Event()) as alertmanager:
        own = free_port()
        at = Endpoints(
            exporter=f"127.0.0.1:{receivers}",
            receivers=f"127.0.0.1:{receivers}",
            alertmanager=f"127.0.0.1:{alertmanager}",
            prometheus=f"127.0.0.1:{own}",
        )
        files = risk_rules.generate_rules(policy)
        write(tmp_path, {**files, "prometheus.yml": risk_rules.prometheus_config(policy, at)})
        prometheus = Prometheus(tmp_path, own)
        try:
            prometheus.start()

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
        finally:
            prometheus.end()
    assert {authorization for authorization, _ in machine} == {"Bearer token"}
    assert {authorization for authorization, _ in people} == {""}
