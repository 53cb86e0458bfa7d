"""Alerts that keep coming, each sent again until it is answered, as Prometheus does."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

PREFIX: Final = "chaos/"
_PACE_SECONDS: Final = 0.2
_AGAIN_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0


def alert(risk_id: str, seconds: float = 3600, **labels: str) -> dict[str, Any]:
    """One as Prometheus sends it."""
    now = datetime.now(UTC)
    named = {
        "alertname": "DRAWDOWN_WARNING",
        "tier": "warning",
        "severity": "warning",
        "category": "drawdown",
        "action": "notify",
        "account": "main",
    }
    return {
        "labels": {**named, "risk_id": risk_id, **labels},
        "annotations": {"description": "an alert of the chaos suite", "value": "0.123"},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
        "generatorURL": "http://prometheus/graph",
    }


def kill_alert() -> dict[str, Any]:
    """One that trips the kill switch."""
    return alert(
        "drawdown/main",
        seconds=12,  # as Prometheus does: four times its resend delay
        alertname="DRAWDOWN_EMERGENCY",
        tier="emergency",
        severity="emergency",
        action="kill_switch",
    )


class Sender:
    """Sends from a thread until it is told to stop. ``answered`` is what the receivers took."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/api/v2/alerts"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[str, Any]] = {}
        self._sent = 0
        self.answered: dict[str, float] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def post(self, *alerts: dict[str, Any], seconds: float = _PATIENCE_SECONDS) -> int:
        """Send some now; the status, 0 where nobody answers."""
        try:
            with httpx.Client(timeout=seconds, trust_env=False, headers=self._headers) as client:
                return client.post(self._url, json=list(alerts)).status_code
        except httpx.HTTPError:
            return 0

    def settle(self, seconds: float) -> bool:
        """Send nothing new; whether everything was answered in time."""
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            self._again()
        return not self._waiting

    @property
    def told(self) -> str:
        """In figures."""
        return f"{len(self.answered)} of {self._sent} sent were answered"

    def _run(self) -> None:
        again = time.monotonic()
        while not self._stop.wait(_PACE_SECONDS):
            self._sent += 1
            name = f"{PREFIX}{self._sent}"
            with self._lock:
                self._waiting[name] = alert(name)
            # What was not answered goes along: everything at once, like Prometheus's own batches.
            if len(self._waiting) == 1 or time.monotonic() - again > _AGAIN_SECONDS:
                again = time.monotonic()
                self._again()

    def _again(self) -> None:
        batch = dict(self._waiting)
        if batch and self.post(*batch.values()) == httpx.codes.OK:
            for name in batch:
                self.answered[name] = time.monotonic()
                self._waiting.pop(name, None)
        elif batch:
            self._stop.wait(_PACE_SECONDS)
            if self._stop.is_set():
                time.sleep(_PACE_SECONDS)
