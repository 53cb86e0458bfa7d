"""How often somebody may ask the API: by name, and by address whoever is unknown.

What is recorded, gates and stops goes through other doors and is never counted, nor are probes and
metrics. Neither are the policy's own tokens: they are the machine's, whose drills and stack ask as
often as they need, and who has one can do worse than ask.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
import time
from typing import Final, Protocol

from flask import Flask, Response, g, request

from risk_receivers.access import Refusal
from risk_receivers.auth import Identity
from risk_receivers.caller import address, problem
from risk_receivers.sessions.lock_out import subscriber
from risk_receivers.telemetry import RATE_LIMITED, Telemetry

#: Addresses of strangers share so many counts, so that no flood of them takes memory. One among
#: few who is counted with another asks in vain for a minute.
_PLACES: Final = 4096
_MINUTE: Final = 60


class Limited(Protocol):
    """Is told from where somebody asked too often, what, and who it was if that is known."""

    def __call__(self, address: str, path: str, by: Identity | None) -> None:
        """Note it. Waits for nothing."""


class Allowance:
    """How much of everybody's minute is used up; it begins when they first ask."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        #: When the minute ends, and how often it was asked in it. Never more than there are names
        #: and places.
        self._minutes: dict[str, tuple[float, int]] = {}

    def use(self, who: str, now: float) -> int:
        """Count one request; in how many seconds they may ask again, 0 if they may now."""
        with self._lock:
            ends, asked = self._minutes.get(who, (now, 0))
            if now >= ends:
                ends, asked = now + _MINUTE, 0
            self._minutes[who] = ends, asked + 1
        return math.ceil(ends - now) if asked >= self._per_minute else 0


def limit_rates(app: Flask, per_minute: int, telemetry: Telemetry, limited: Limited) -> None:
    """Count what is asked from now on; call it once it is decided who asks."""
    salt = secrets.token_bytes(16)
    allowance = Allowance(per_minute)

    def name_of(decision: Identity | Refusal) -> str:
        if isinstance(decision, Identity):
            return f"name {decision.name}"
        place = hashlib.blake2b(subscriber(address()).encode(), digest_size=8, key=salt).digest()
        return f"address {int.from_bytes(place, 'big') % _PLACES}"

    @app.before_request
    def count() -> Response | None:
        decision: Identity | Refusal | None = g.get("decision")
        if decision is None or (isinstance(decision, Identity) and decision.key is not None):
            return None
        wait = allowance.use(name_of(decision), time.monotonic())
        if not wait:
            return None
        telemetry.count(*RATE_LIMITED)
        limited(address(), request.path, decision if isinstance(decision, Identity) else None)
        answer = problem(
            429,
            f"more than alerting.dashboard.api.rate_limit_per_minute = {per_minute} requests in a "
            f"minute; try again in {wait} s",
        )
        answer.headers["Retry-After"] = str(wait)
        return answer
