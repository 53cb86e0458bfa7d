"""The webhook channel: JSON to a URL of the user's own, signed so that it can be believed.

``X-Riskwarden-Signature: t=SECONDS,v1=HEX``, where HEX is the HMAC-SHA256, under the shared
secret, of SECONDS, a full stop and the body's bytes. A receiver compares in constant time and
refuses what is older than it likes. ``Idempotency-Key`` is the same whenever the same message
is sent again, which happens when its answer was lost.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_receivers.channels.cutting import clean
from risk_receivers.channels.http import Answer, Http, revealed, revealed_url
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render

_SCHEMA: Final = 1
#: What these refuse is not this one message: redirects, and who may come in where.
_ABOUT_THE_ENDPOINT: Final = frozenset({401, 402, 403, 404, 405, 407, 410, 421, 451})
_REDIRECTS: Final = range(300, 400)


class WebhookChannel:
    """Posts to one URL."""

    def __init__(
        self,
        *,
        render: Render,
        url: str,
        hmac_secret: str,
        timeout_seconds: float,
        mark: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._render = render
        self._url = url
        self._hmac_secret = hmac_secret.encode()
        self._mark = mark
        self._clock = clock
        self._http = Http("the webhook", timeout_seconds, [url, hmac_secret])

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> WebhookChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        settings = policy.alerting.channels.webhook
        return cls(
            render=render,
            url=revealed_url(settings.url, "alerting.channels.webhook.url"),
            hmac_secret=revealed(settings.hmac_secret, "alerting.channels.webhook.hmac_secret"),
            timeout_seconds=settings.timeout_seconds,
            mark=policy.alerting.channels.mark,
        )

    def deliver(self, owed: Owed) -> None:
        """Post one message; any 2xx confirms it. Raises DeliveryError."""
        body = self._body(owed)
        seconds = str(int(self._clock().timestamp()))
        signature = hmac.new(self._hmac_secret, f"{seconds}.".encode() + body, hashlib.sha256)
        answer = self._http.send(
            "POST",
            self._url,
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": _key(owed),
                "X-Riskwarden-Signature": f"t={seconds},v1={signature.hexdigest()}",
            },
            content=body,
        )
        if not answer.is_fine:
            about_the_endpoint = answer.status in _ABOUT_THE_ENDPOINT or answer.status in _REDIRECTS
            raise self._http.failure(answer, whole_channel=about_the_endpoint, words=_words(answer))

    def check(self) -> None:
        """Connect. Nothing is posted. Raises DeliveryError."""
        self._http.reach(self._url)

    def close(self) -> None:
        """Nothing is held open."""

    def _body(self, owed: Owed) -> bytes:
        rendered = self._render(owed)
        said = msgspec.to_builtins(owed.message)
        said.pop("id")  # the same as the message_id, which older messages have too
        fields = {
            "schema": _SCHEMA,
            "message_id": owed.id,
            "attempt": owed.attempt,
            "mark": self._mark,
            **said,
            "audit_head": owed.head,
            "rendered": {"subject": rendered.subject, "text": rendered.text},
        }
        return msgspec.json.encode(_cleaned(fields))


def _words(answer: Answer) -> str | None:
    if answer.status in _REDIRECTS:
        return "a redirect, which is not followed; write the URL it leads to"
    return None


def _key(owed: Owed) -> str:
    """Unique among everybody who posts there, though ids are unique in one store only."""
    message = owed.message
    parts = (owed.id, message.subject, message.key, message.at.isoformat())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {name: _cleaned(child) for name, child in value.items()}
    return value
