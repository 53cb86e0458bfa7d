"""The webhook: a body that its receiver can trust, recognise and read."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_http import LoopbackServer, Received, Reply
from owed_messages import NOON, as_told, owed

from risk_policy.clock import utc_now
from risk_receivers.channels.errors import RefusedDeliveryError, TemporaryDeliveryError
from risk_receivers.channels.webhook import WebhookChannel

SECRET = "planted-hmac-secret"
Make = Callable[..., WebhookChannel]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def make(server: LoopbackServer) -> Make:
    def made(url: str = "", clock: Callable[[], datetime] = lambda: NOON) -> WebhookChannel:
        return WebhookChannel(
            render=as_told,
            url=url or server.url + "/hook?key=planted-key",
            hmac_secret=SECRET,
            timeout_seconds=5,
            clock=clock,
        )

    return made


ROOT = Path(__file__).parents[2]


def test_the_documented_check_tells_what_is_genuine(server: LoopbackServer, make: Make) -> None:
    (program,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/channels.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - what the documentation tells users to run
    is_genuine = names["is_genuine"]
    make(clock=utc_now).deliver(owed())
    make().deliver(owed())
    new, old = server.received
    signature = new.headers["X-Riskwarden-Signature"]
    assert is_genuine(SECRET.encode(), signature, new.body)
    assert not is_genuine(SECRET.encode(), signature, new.body + b" ")
    assert not is_genuine(b"another secret", signature, new.body)
    assert not is_genuine(SECRET.encode(), old.headers["X-Riskwarden-Signature"], old.body)


def is_signed(received: Received) -> bool:
    """What a receiver of such a webhook does."""
    given = dict(pair.split("=") for pair in received.headers["X-Riskwarden-Signature"].split(","))
    signed = given["t"].encode() + b"." + received.body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, given["v1"])


def test_the_body_says_what_the_message_says(server: LoopbackServer, make: Make) -> None:
    make().deliver(owed())
    (received,) = server.received
    assert (received.method, received.path) == ("POST", "/hook?key=planted-key")
    assert received.headers["Content-Type"] == "application/json"
    assert received.json == {
        "schema": 1,
        "message_id": "m7",
        "attempt": 1,
        "mark": "",
        "subject": "drawdown/main:warning:1",
        "kind": "firing",
        "severity": "warning",
        "title": "DRAWDOWN_WARNING",
        "text": "drawdown is 12 %",
        "at": "2026-03-01T12:00:05Z",
        "audit_seq": 3,
        "risk_id": "drawdown/main",
        "starts_at": "2026-03-01T12:00:05Z",
        "runbook_url": "http://127.0.0.1/runbooks/DRAWDOWN_WARNING",
        "about": "",
        **dict.fromkeys(
            (
                "summary",
                "value",
                "threshold",
                "tier",
                "category",
                "action",
                "escalation",
                "attachment",
            ),
            "",
        ),
        "audit_head": "3:abcdef",
        "rendered": {"subject": "WARNING DRAWDOWN_WARNING", "text": "drawdown is 12 %"},
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(), max_size=200))
def test_every_body_is_signed_with_its_time(server: LoopbackServer, make: Make, text: str) -> None:
    make().deliver(owed(text=text))
    received = server.received[-1]
    assert is_signed(received)
    assert f"t={int(NOON.timestamp())}," in received.headers["X-Riskwarden-Signature"]
    forged = Received("POST", "/", received.headers, received.body + b" ")
    assert not is_signed(forged)


def test_a_message_is_recognised_when_it_comes_again_and_no_other_is(
    server: LoopbackServer, make: Make
) -> None:
    server.next.append(Reply(500))
    with pytest.raises(TemporaryDeliveryError):
        make().deliver(owed(1))
    make().deliver(owed(1))
    make().deliver(owed(2))
    first, again, other = (request.headers["Idempotency-Key"] for request in server.received)
    assert first == again != other


def test_a_user_in_the_url_is_told_to_the_server(server: LoopbackServer, make: Make) -> None:
    make(server.url.replace("://", "://user:password@")).deliver(owed())
    assert server.received[0].headers["Authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_confirms(server: LoopbackServer, make: Make, status: int) -> None:
    server.next.append(Reply(status))
    make().deliver(owed())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("as_date", [True, False])
def test_what_may_be_taken_later_is_temporary(
    server: LoopbackServer, make: Make, status: int, as_date: bool
) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.next.append(Reply(status, "", {"Retry-After": in_a_minute if as_date else "60"}))
    with pytest.raises(TemporaryDeliveryError, match=f"the webhook answered {status}") as caught:
        make().deliver(owed())
    assert caught.value.retry_after_seconds == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    ("status", "whole_channel"),
    [(400, False), (409, False), (413, False), (422, False), (401, True), (403, True), (404, True),
     (410, True), (301, True), (307, True)],
)  # fmt: skip
def test_any_other_answer_refuses(
    server: LoopbackServer, make: Make, status: int, whole_channel: bool
) -> None:
    server.next.append(Reply(status, "no", {"Location": server.url + "/elsewhere"}))
    with pytest.raises(RefusedDeliveryError, match=f"the webhook answered {status}") as caught:
        make().deliver(owed())
    assert caught.value.whole_channel is whole_channel
    assert len(server.received) == 1


def test_the_secrets_stay_where_they_are(server: LoopbackServer, make: Make) -> None:
    server.next.append(Reply(400, json.dumps({"key": "planted-key", "secret": SECRET})))
    with pytest.raises(RefusedDeliveryError) as caught:
        make().deliver(owed())
    assert "planted" not in str(caught.value)
    assert SECRET not in repr(server.received)


def test_a_check_posts_nothing(
    server: LoopbackServer, make: Make, wait_until: Callable[..., Any]
) -> None:
    make().check()
    wait_until(lambda: server.connections == 1)
    assert server.received == []
