"""Everybody who tells the receivers of alerts, and goes on however often they are killed.

Prometheus repeats every alert to the alert feed for as long as it is anybody's news, and says
``resolved`` for a while after; two Alertmanagers notify the same things, each until it was taken,
and once more. Nobody is ever told of a kill.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

_PROMETHEUS_PAUSE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.05
#: Prometheus's resend delay.
RESEND_SECONDS: Final = 15
#: For which Prometheus says that an alert fires: four times its resend delay.
_LEASE: Final = timedelta(seconds=4 * RESEND_SECONDS)


@dataclass
class Breach:
    """One alert, from its beginning to its end, as its senders know it."""

    risk_id: str
    kills: bool
    starts_at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=1))
    ends_at: datetime | None = None
    #: Answers with 2xx that each sender got: firing, and resolved.
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def tier(self) -> str:
        return "emergency" if self.kills else "warning"

    @property
    def name(self) -> str:
        return f"DRAWDOWN_{self.tier.upper()}" if "/" in self.risk_id else "Watchdog"

    def on_the_wire(self) -> dict[str, Any]:
        lease = datetime.now(UTC) + _LEASE
        return {
            "labels": {
                "alertname": self.name,
                "risk_id": self.risk_id,
                "tier": self.tier,
                "severity": self.tier,
                "category": "drawdown",
                "action": "kill_switch" if self.kills else "notify",
            },
            "annotations": {"description": "drawdown is 12.3 %"},
            "startsAt": self.starts_at.isoformat(),
            "endsAt": (self.ends_at or lease).isoformat(),
        }


WATCHDOG: Final = Breach("watchdog", kills=False)


class Senders:
    """Everybody who sends."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.breaches: dict[str, Breach] = {}
        self.current: list[Breach] = []
        self._queues: dict[str, queue.SimpleQueue[tuple[Breach, str, bytes] | None]] = {
            name: queue.SimpleQueue() for name in ("alertmanager-a", "alertmanager-b")
        }
        self._threads = [threading.Thread(target=self._prometheus)]
        self._threads += [
            threading.Thread(target=self._alertmanager, args=(name,)) for name in self._queues
        ]

    @contextmanager
    def running(self) -> Iterator[Senders]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for waiting in self._queues.values():
                waiting.put(None)
            for thread in self._threads:
                thread.join()

    def begin(self, risk_id: str, *, kills: bool = False) -> None:
        """An alert begins to fire."""
        breach = Breach(risk_id, kills)
        with self._lock:
            self.breaches[risk_id] = breach
            self.current.append(breach)
        self._notify(breach, "firing")

    def end_what_was_heard(self) -> None:
        """What every sender has told of is over; what everybody knows to be over is let go."""
        with self._lock:
            for breach in self.current:
                heard = all(breach.taken[f"{name} firing"] for name in (*self._queues, "feed"))
                if breach.ends_at is None and heard:
                    breach.ends_at = datetime.now(UTC)
                    self._notify(breach, "resolved")
            self.current = [one for one in self.current if one.taken["feed resolved"] < 2]

    @property
    def idle(self) -> bool:
        """Whether everything was said."""
        return not self.current and all(
            one.taken[f"{name} {status}"]
            for one in self.breaches.values()
            for name in self._queues
            for status in ("firing", "resolved")
        )

    def _notify(self, breach: Breach, status: str) -> None:
        alert = {**breach.on_the_wire(), "status": status}
        if status == "firing":
            alert["endsAt"] = "0001-01-01T00:00:00Z"
        content = {
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "riskwarden",
            "alerts": [alert],
        }
        body = json.dumps(content).encode()
        for waiting in self._queues.values():
            waiting.put((breach, status, body))
            waiting.put((breach, status, body))  # its peers do not always hear in time

    def _prometheus(self) -> None:
        with self._client("alert-feed-secret") as client:
            while not self._stopping.wait(_PROMETHEUS_PAUSE_SECONDS):
                with self._lock:
                    sent = [(one, one.ends_at) for one in self.current]
                    content = [one.on_the_wire() for one, _ in sent]
                body = json.dumps([*content, WATCHDOG.on_the_wire()]).encode()
                if self._post(client, "/api/v2/alerts", body):
                    for breach, ended in sent:
                        breach.taken["feed resolved" if ended else "feed firing"] += 1

    def _alertmanager(self, name: str) -> None:
        with self._client("notification-feed-secret") as client:
            while (told := self._queues[name].get()) is not None:
                breach, status, body = told
                while not self._post(client, "/api/v1/notifications", body):
                    if self._stopping.wait(_RETRY_SECONDS):
                        return
                breach.taken[f"{name} {status}"] += 1

    def _client(self, token: str) -> httpx.Client:
        return httpx.Client(
            timeout=5, trust_env=False, headers={"Authorization": f"Bearer {token}"}
        )

    def _post(self, client: httpx.Client, path: str, body: bytes) -> bool:
        try:
            return client.post(self._url() + path, content=body).is_success
        except httpx.TransportError:
            return False
