"""How often somebody may ask the API: by name, and by address whoever is unknown.

What is recorded, gates and stops goes through other doors and is never counted, nor are probes and
metrics. Neither are the policy's own tokens: they are the machine's, whose drills and stack ask as
often as they need, and who has one can do worse than ask.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Final, Protocol, cast

from flask import Flask, Response, g, request
from flask_limiter import Limiter, RateLimitExceeded, RequestLimit

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


def limit_rates(app: Flask, per_minute: int, telemetry: Telemetry, limited: Limited) -> None:
    """Count what is asked from now on; call it once it is decided who asks."""
    salt = secrets.token_bytes(16)

    def who() -> str:
        decision: Identity | Refusal = g.decision
        if isinstance(decision, Identity):
            return f"name {decision.name}"
        place = hashlib.blake2b(subscriber(address()).encode(), digest_size=8, key=salt).digest()
        return f"address {int.from_bytes(place, 'big') % _PLACES}"

    def too_often(limit: RequestLimit) -> Response:
        telemetry.count(*RATE_LIMITED)
        decision: Identity | Refusal = g.decision
        by = decision if isinstance(decision, Identity) else None
        limited(address(), request.path, by)
        wait = min(max(1, round(limit.reset_at - time.time())), _MINUTE)  # its end is rounded up
        answer = problem(
            429,
            f"more than alerting.dashboard.api.rate_limit_per_minute = {per_minute} requests in a "
            f"minute; try again in {wait} s",
        )
        answer.headers["Retry-After"] = str(wait)
        return answer

    limiter = Limiter(
        who,
        application_limits=[f"{per_minute} per minute"],
        storage_uri="memory://",
        on_breach=too_often,
    )
    limiter.request_filter(_is_free)
    limiter.init_app(app)

    @app.errorhandler(RateLimitExceeded)
    def exceeded(error: RateLimitExceeded) -> Response:
        return cast("Response", error.get_response())


def _is_free() -> bool:
    decision: Identity | Refusal | None = g.get("decision")
    return decision is None or (isinstance(decision, Identity) and decision.key is not None)
