"""Whatever a server does or fails to do, a request ends in time and says nothing secret."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port
from hypothesis import given
from hypothesis import strategies as st
from loopback_http import LoopbackServer, Reply, make_certificate

from risk_receivers.channels.errors import TemporaryDeliveryError
from risk_receivers.channels.http import Http, retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATH = "/bot1234:planted-token/send?key=planted-key-in-query"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def failing(url: str, seconds: float = 0.3) -> str:
    """What is said of a request that fails; sending and merely connecting say the same."""
    begun = time.monotonic()
    with pytest.raises(TemporaryDeliveryError) as caught:
        Http("The service", seconds, [url]).send("POST", url, content=b"{}")
    assert time.monotonic() - begun < seconds + 2
    said = str(caught.value)
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return said


@pytest.mark.parametrize("manner", ["never", "head", "body"])
def test_a_server_that_is_not_done_in_time_is_left(server: LoopbackServer, manner: str) -> None:
    server.next.append(Reply(manner=manner))
    assert failing(server.url + PATH) == "The service did not answer within 0.3 s"


def test_a_server_that_breaks_off_is_temporary(server: LoopbackServer) -> None:
    server.next.append(Reply(manner="cut"))
    assert "cannot be reached: Server disconnected" in failing(server.url + PATH)


def test_a_refused_connection_is_temporary() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert "Connection refused" in failing(url + PATH)


def test_a_name_that_does_not_resolve_is_temporary() -> None:
    assert "cannot be reached" in failing("https://no-such-host.invalid" + PATH, 5)


def test_a_look_up_of_a_name_that_hangs_does_not_hold_the_channel_and_sends_nothing_later(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, looked_up = threading.Event(), threading.Event()
    plain = socket.getaddrinfo

    def slow(*arguments: Any, **more: Any) -> object:
        released.wait()
        found = plain(*arguments, **more)
        looked_up.set()
        return found

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert failing(server.url + PATH) == "The service did not answer within 0.3 s"
    released.set()
    assert looked_up.wait(5)
    for thread in threading.enumerate():
        if thread.name.endswith("-request"):
            thread.join(5)
            assert not thread.is_alive()
    assert server.received == []


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    certificate: Path,
) -> None:
    with LoopbackServer(certificate) as server:
        assert "certificate verify failed" in failing(server.url + PATH, 5)
        assert server.received == []


def test_a_certificate_of_ones_own_authority_is_taken(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with LoopbackServer(certificate) as server:
        http = Http("The service", 5, [])
        assert http.send("POST", server.url, content=b"x").status == 200
        http.reach(server.url)
        assert len(server.received) == 1


def test_a_server_that_speaks_no_tls_is_temporary(server: LoopbackServer) -> None:
    assert "cannot be reached" in failing(server.url.replace("http:", "https:") + PATH, 5)


def test_a_handshake_that_never_ends_is_left() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "did not answer" in failing(f"https://127.0.0.1:{silent.getsockname()[1]}" + PATH)


def test_reaching_a_server_connects_and_asks_nothing(server: LoopbackServer) -> None:
    Http("The service", 5, []).reach(server.url + PATH)
    assert server.received == []
    with pytest.raises(TemporaryDeliveryError, match="The service cannot be reached"):
        Http("The service", 5, []).reach("http://127.0.0.1:1")


def test_a_redirect_is_not_followed(server: LoopbackServer) -> None:
    server.next.append(Reply(302, headers={"Location": server.url + "/elsewhere"}))
    assert Http("The service", 5, []).send("POST", server.url).status == 302
    assert len(server.received) == 1


def test_a_long_answer_is_cut(server: LoopbackServer) -> None:
    server.next.append(Reply(body="x" * 1_000_000))
    http = Http("The service", 5, [])
    answer = http.send("POST", server.url)
    assert len(answer.body) == 65_536
    assert len(str(http.failure(answer, whole_channel=True))) < 300


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert Http("The service", 5, []).send("POST", server.url).status == 200


def test_a_proxy_is_asked_for_what_is_elsewhere(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.next.append(Reply(407))
    assert "cannot be reached: 407" in failing("https://hooks.example.com" + PATH, 5)
    server.next.append(Reply(407))
    with pytest.raises(TemporaryDeliveryError, match="407"):
        Http("The service", 5, []).reach("https://hooks.example.com")
    assert [request.method for request in server.received] == ["CONNECT", "CONNECT"]


@pytest.mark.parametrize(
    "repeated",
    [
        "{url}",
        PATH,
        PATH.split("?")[0],
        "the key planted-key-in-query is wrong",
        "1234%3Aplanted-token",
        "<a href='/bot1234:planted-token/send'>",
    ],
)
def test_what_a_server_repeats_of_a_secret_is_not_passed_on(
    server: LoopbackServer, repeated: str
) -> None:
    url = server.url + PATH
    http = Http("The service", 5, [url, "planted-token"])
    server.next.append(Reply(404, "no: " + repeated.format(url=url)))
    said = str(http.failure(http.send("POST", url), whole_channel=True))
    assert said.startswith("The service answered 404: no: ")
    assert "planted" not in said


def test_the_log_of_the_library_is_silent(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Http("The service", 5, []).send("POST", server.url + PATH)
    assert "planted" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("http")]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 1.5 ", 1.5),
        (34, 34),
        ("-5", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        ("Sun, 01 Mar 2026 12:00:10 -0000", 10),
        (format_datetime(NOW - timedelta(days=1)), 0),
        ("9" * 400, 86_400),
        ("inf", 86_400),
        ("", None),
        (None, None),
        ("nan", None),
        ("soon", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str | float | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_retry_after_takes_anything(value: str) -> None:
    found = retry_after(value)
    assert found is None or 0 <= found <= 86_400


def test_whoever_gives_up_waits_no_longer_and_asks_no_more(server: LoopbackServer) -> None:
    server.next.append(Reply(manner="never"))
    http = Http("The service", 60, [])

    def give_up_once_asked() -> None:
        while not server.received:
            threading.Event().wait(0.01)
        http.give_up()

    giving_up = threading.Thread(target=give_up_once_asked)
    giving_up.start()
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(TemporaryDeliveryError, match="is not asked any more"):
            http.send("POST", server.url)
    giving_up.join()
    assert time.monotonic() - begun < 10
    assert len(server.received) == 1


def test_one_request_may_be_given_more_time_than_the_others(server: LoopbackServer) -> None:
    server.next.append(Reply(manner="never"))
    http = Http("The service", 60, [])
    with pytest.raises(TemporaryDeliveryError, match=r"did not answer within 0\.2 s"):
        http.send("POST", server.url, timeout_seconds=0.2)
