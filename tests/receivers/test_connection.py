"""Whoever connects, with or without a token, costs little and waits for nothing without end."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_policy import load_policy
from risk_receivers.http_server import idle_seconds

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKED = (
    b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"Authorization: Bearer alert-feed-secret\r\n\r\n2\r\n[]\r\n0\r\n"
)


@pytest.fixture
def peer(shared: Any) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", shared.port), 20) as connection:
        yield connection


def everything(peer: socket.socket) -> bytes:
    """What is answered until the connection is closed."""
    data = b""
    while chunk := peer.recv(65536):
        data += chunk
    return data


def one_answer(peer: socket.socket) -> bytes:
    """An answer after which the connection stays open."""
    data = b""
    while not data.endswith(b"}"):
        data += peer.recv(65536)
    return data


@pytest.mark.parametrize(
    "begun",
    [
        HEAD + b"X-Endless: ",
        HEAD + b"X-",
        b"GET /",
        b"POST /api/v1/kill HTTP/1.1\r\nAuthorization: ",
        CHUNKED + b"X-Trailer: ",
    ],
    ids=["value", "name", "path", "token", "trailer"],
)
def test_a_head_without_end_is_refused_and_holds_up_nobody(
    shared: Any, peer: socket.socket, words: Any, begun: bytes
) -> None:
    slowest = 0.0

    def flood() -> None:
        peer.sendall(begun)
        with suppress(OSError):
            for _ in range(400):
                peer.sendall(b"a" * 2**18)

    thread = threading.Thread(target=flood)
    thread.start()
    while thread.is_alive():
        began = time.monotonic()
        assert shared.send("alerts", [words.alert()]).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    thread.join()
    assert slowest < 1


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-Long: " + b"a" * 70_000,
        HEAD + b"X-Many: a\r\n" * 120 + b"\r\n",
        CHUNKED + b"X-Trailer: a\r\n" * 120 + b"\r\n",
    ],
    ids=["too long", "too many", "too many trailers"],
)
def test_what_is_too_much_is_named(peer: socket.socket, head: bytes) -> None:
    peer.sendall(head)
    answer = everything(peer)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"65536 bytes and 100 headers" in answer


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/channels"], ids=["a door", "Flask"])
def test_what_came_before_it_is_answered_first(peer: socket.socket, path: str) -> None:
    good = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator-secret\r\n\r\n"
    peer.sendall(good.encode() * 3 + HEAD + b"X-Long: " + b"a" * 100_000)
    answers = re.findall(rb"HTTP/1.1 (\d+) ", everything(peer))
    assert answers == [b"200"] * 3 + [b"431"]


def test_a_large_head_and_a_large_body_are_taken_as_ever(shared: Any, words: Any) -> None:
    headers = {f"X-{n}": "a" * 600 for n in range(80)}
    assert shared.client.get(f"{shared.url}/healthz", headers=headers).status_code == 200
    body = [words.alert(risk_id=f"large/{n}", more="x" * 200) for n in range(300)]
    assert shared.send("alerts", body).status_code == 200


@given(cuts=st.lists(st.integers(1, 400), max_size=12))
@settings(max_examples=25)
def test_requests_are_understood_wherever_they_are_cut(shared: Any, cuts: list[int]) -> None:
    body = b"[" + b" " * 300 + b"]"
    one = (
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alert-feed-secret\r\n"
        b"Content-Length: %d\r\n" % len(body)
    )
    text = one + b"\r\n" + body + one + b"Connection: close\r\n\r\n" + body
    with socket.create_connection(("127.0.0.1", shared.port), 20) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in cuts:
            peer.sendall(text[:cut])
            text = text[cut:]
        peer.sendall(text)
        answer = everything(peer)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "begun", [b"GET /", HEAD, HEAD + b"\r\n" + HEAD], ids=["path", "head", "next"]
)
def test_a_head_that_does_not_arrive_in_time_ends_the_connection(
    stopped: Any, begun: bytes
) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + "body_timeout_seconds = 0.5\n")
    receivers = stopped.start()
    with socket.create_connection(("127.0.0.1", receivers.port), 10) as peer:
        peer.sendall(begun)
        peer.settimeout(0.1)
        began = time.monotonic()
        ended = False
        while not ended and time.monotonic() - began < 8:
            try:
                peer.sendall(b"X")  # drop by drop gives no more time
                ended = not peer.recv(65536) or ended
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended
        assert 0.4 < time.monotonic() - began < 4


def test_a_connection_outlives_the_pause_of_its_owner(tmp_path: Path) -> None:
    for pause in (3, 60):
        policy = tmp_path / f"{pause}.toml"
        policy.write_text(
            f"[alerting.prometheus]\nresend_delay_seconds = {pause}\n"
            "[alerting.dead_man]\nprometheus_seconds = 300\n"
        )
        assert idle_seconds(load_policy(policy)) > 2 * pause


def test_a_sender_that_comes_back_after_a_resend_delay_is_still_connected(
    receivers: Any,
) -> None:
    request = (
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alert-feed-secret\r\n"
        b"Content-Length: 2\r\n\r\n[]"
    )
    with socket.create_connection(("127.0.0.1", receivers.port), 20) as peer:
        peer.sendall(request)
        assert one_answer(peer).startswith(b"HTTP/1.1 200")
        peer.settimeout(6)  # longer than uvicorn would have waited
        with pytest.raises(TimeoutError):
            peer.recv(1)
        peer.settimeout(20)
        peer.sendall(request)
        assert one_answer(peer).startswith(b"HTTP/1.1 200")
