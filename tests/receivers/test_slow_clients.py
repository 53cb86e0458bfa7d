"""Who sends slowly, or too much, is cut off; everybody else is served as ever."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

TIMEOUT = 0.8


@pytest.fixture
def impatient(stopped: Any) -> Any:
    """A service that waits for a body only shortly."""
    text = stopped.policy.read_text() + f"body_timeout_seconds = {TIMEOUT}\n"
    stopped.policy.write_text(text)
    return stopped.start()


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(
    service: Any, connections: ExitStack, path: str, token: str, body: bytes = b""
) -> socket.socket:
    """A request that promises more than it sends."""
    peer = connections.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))
    head = [
        f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json",
        f"Authorization: Bearer {token}", f"Content-Length: {len(body) + 100}",
    ]  # fmt: skip
    peer.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    return peer


def answer(peer: socket.socket) -> tuple[int, str]:
    """Status and text of an answer after which the connection is closed."""
    data = b""
    while chunk := peer.recv(65536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/api/v2/alerts", "alert-feed-secret"),
        ("/api/v1/notifications", "notification-feed-secret"),
        ("/api/v1/kill", "operator-secret"),
        ("/api/v1/runtime/reports", "runtime-secret"),
    ],
)
def test_a_body_that_does_not_arrive_in_time_gets_408_and_is_closed(
    impatient: Any, connections: ExitStack, path: str, token: str
) -> None:
    began = time.monotonic()
    code, text = answer(begin(impatient, connections, path, token))
    assert code == 408
    assert "alerting.intake.body_timeout_seconds = 0.8 s" in text
    assert TIMEOUT <= time.monotonic() - began < TIMEOUT + 3
    assert not impatient.gate_says_halt()


def test_a_body_that_arrives_drop_by_drop_has_no_more_time_than_another(
    impatient: Any, connections: ExitStack
) -> None:
    peer = begin(impatient, connections, "/api/v2/alerts", "alert-feed-secret")
    peer.settimeout(0.1)
    began = time.monotonic()
    data = b""
    while not data and time.monotonic() - began < 10:
        peer.sendall(b" ")
        try:
            data = peer.recv(65536)
        except TimeoutError:
            continue
    assert data.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < TIMEOUT + 3


def test_a_kill_alert_at_the_front_of_a_body_that_stalls_is_not_lost(
    impatient: Any, words: Any, connections: ExitStack
) -> None:
    begun = json.dumps([words.kill_alert()])[:-1].encode() + b","
    code, _ = answer(begin(impatient, connections, "/api/v2/alerts", "alert-feed-secret", begun))
    assert code == 408
    assert impatient.gate_says_halt()
    assert "INTAKE_QUARANTINED" in impatient.event_types()
    assert impatient.metric('risk_feed_requests_total{code="408",feed="alerts"}') == 1


def test_slow_senders_hold_up_nobody_else(stopped: Any, words: Any, connections: ExitStack) -> None:
    text = stopped.policy.read_text() + "body_timeout_seconds = 60\n"
    stopped.policy.write_text(text)
    service = stopped.start()
    for _ in range(20):  # more than the application has threads
        begin(service, connections, "/api/v1/kill", "operator-secret")
        begin(service, connections, "/api/v2/alerts", "alert-feed-secret")
    began = time.monotonic()
    assert service.send("alerts", [words.alert()]).status_code == 200
    assert service.operator_kill("pause").status_code == 200
    assert time.monotonic() - began < 5


def test_strangers_who_hold_connections_keep_no_kill_and_no_sender_out(
    stopped: Any, words: Any, connections: ExitStack
) -> None:
    few = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
        "runpy.run_module('risk_receivers', run_name='__main__')"
    )
    service = stopped.start(("-c", few))
    senders = [begin(service, connections, "/api/v2/alerts", "alert-feed-secret") for _ in range(3)]
    for _ in range(400):
        connections.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))
    service.client.close()
    with httpx.Client(timeout=10, trust_env=False) as service.client:
        assert service.operator_kill("pause").status_code == 200
        assert service.send("alerts", [words.alert()]).status_code == 200
        assert service.client.get(f"{service.url}/readyz").status_code == 200
    for peer in senders:
        peer.sendall(b" " * 98 + b"[]")
        assert peer.recv(1000).startswith(b"HTTP/1.1 200")


def test_nobody_without_a_token_is_waited_for(impatient: Any, connections: ExitStack) -> None:
    for path in ("/api/v2/alerts", "/api/v1/kill"):
        peer = begin(impatient, connections, path, "wrong")
        began = time.monotonic()
        assert peer.recv(65536).startswith(b"HTTP/1.1 401")
        assert time.monotonic() - began < TIMEOUT / 2


def test_an_api_body_over_the_limit_is_refused_by_name(impatient: Any) -> None:
    answered = impatient.call("POST", "/api/v1/kill", content=b" " * 300_000)
    assert answered.status_code == 413
    assert "alerting.intake.max_body_mib = 0.25 MiB" in answered.json()["detail"]
