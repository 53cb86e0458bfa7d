"""A real Alertmanager on the generated configuration, and the receivers it delivers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from real_alertmanager import Alertmanager, running_alertmanager, start_receivers


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
        answer = self.receivers.call("POST", f"/api/v1/alerts/{incident}/acknowledge", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def unack(self, incident: str = "drawdown/main:warning:1") -> None:
        body = {"author": "pavel", "comment": "wrong one"}
        answer = self.receivers.call("DELETE", f"/api/v1/alerts/{incident}/acknowledge", json=body)
        assert answer.status_code == 200, answer.text

    def incident(self, incident: str = "drawdown/main:warning:1") -> dict[str, Any]:
        found = self.receivers.call("GET", "/api/v1/alerts").json()["alerts"]
        (one,) = [one for one in found if one["id"] == incident]
        return dict(one)

    def acks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.receivers.call("GET", "/api/v1/silences").json()[
            "silences"
        ]
        return found

    def events(self, kind: str) -> list[Any]:
        return [event for event in self.receivers.chain() if event.event_type == kind]

    def acked_until(self, tier: str = "warning", risk_id: str = "drawdown/main") -> float | None:
        found: float | None = self.receivers.metric(
            f'risk_ack_until_seconds{{risk_id="{risk_id}",tier="{tier}"}}'
        )
        return found

    def start_receivers(self) -> None:
        start_receivers(self.receivers, self.wait_until)


@pytest.fixture
def policy_lines() -> str:
    """What a test adds to the policy."""
    return ""


@pytest.fixture
def alertmanager(
    stopped: Any, wait_until: Callable[..., Any], tmp_path: Path, policy_lines: str
) -> Iterator[Alertmanager]:
    """A running Alertmanager whose configuration comes from the receivers' policy."""
    folder = tmp_path / "alertmanager"
    with running_alertmanager(stopped, folder, wait_until, policy_lines) as running:
        yield running


@pytest.fixture
def people(
    stopped: Any, alertmanager: Alertmanager, words: Any, wait_until: Callable[..., Any]
) -> People:
    """Both, running and connected."""
    found = People(stopped, alertmanager, words, wait_until)
    found.start_receivers()
    wait_until(lambda: stopped.metric("risk_silences_synchronised") == 1, what="silences are seen")
    return found
