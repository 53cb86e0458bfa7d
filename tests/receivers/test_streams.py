"""Streams: what happens is told to whoever listens, at once, in order, and nothing twice."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

OPERATOR = "operator-secret"
NEWS = ("alert", "status")


def listen(receivers: Any, path: str = "/ws/alerts", token: str = OPERATOR, **headers: str) -> Any:
    url = receivers.url.replace("http", "ws", 1) + path
    return connect(url, additional_headers=by(token, headers), proxy=None, close_timeout=1)


def by(token: str, headers: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **headers} if token else headers


def listen_to_the_end(connection: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed):  # noqa: PT012 - whichever it is that finds it closed
        while True:
            connection.recv(timeout=15)


def hear(connection: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next frame of one of these kinds."""
    while True:
        told: dict[str, Any] = json.loads(connection.recv(timeout=15))
        if told["type"] in (kinds or NEWS):
            return told


def test_an_alert_is_told_to_everybody_with_the_record_that_it_is_on(
    receivers: Any, words: Any
) -> None:
    with listen(receivers) as one, listen(receivers) as other:
        begun = [hear(connection, "hello")["cursor"] for connection in (one, other)]
        receivers.send("alerts", [words.alert()])
        told = hear(one)
        assert (told["type"], told["event"]["event_type"]) == ("alert", "ALERT_CREATED")
        assert told["cursor"] == told["event"]["seq"] > max(begun)
        [shown] = receivers.call("GET", "/api/v1/alerts").json()["alerts"]
        assert told["alert"]["id"] == shown["id"]
        assert told["alert"].keys() == shown.keys()
        assert hear(other) == told

        receivers.operator_kill("pause")
        while (told := hear(one))["type"] != "status":
            pass
        assert told["event"]["event_type"] == "KILL_SWITCH_ACTIVATED"


def test_whoever_comes_again_with_a_cursor_gets_what_was_missed_once_and_in_order(
    receivers: Any, words: Any
) -> None:
    with listen(receivers) as connection:
        hear(connection, "hello")
        receivers.send("alerts", [words.alert(risk_id="drawdown/0")])
        cursor = hear(connection)["cursor"]
    for number in range(1, 40):
        receivers.send("alerts", [words.alert(risk_id=f"drawdown/{number}")])
    with listen(receivers, f"/ws/alerts?after={cursor}") as connection:
        receivers.send("alerts", [words.alert(risk_id="drawdown/40")])
        heard: list[dict[str, Any]] = []
        while not any(told["alert"]["risk_id"] == "drawdown/40" for told in heard):
            heard.append(hear(connection, "alert"))
    created = [t for t in heard if t["event"]["event_type"] == "ALERT_CREATED"]
    assert [told["alert"]["risk_id"] for told in created] == [
        f"drawdown/{number}" for number in range(1, 41)
    ]
    cursors = [told["cursor"] for told in heard]
    assert cursors == sorted(set(cursors))
    assert cursors[0] > cursor


def test_a_cursor_from_another_record_begins_anew(shared: Any) -> None:
    with listen(shared, f"/ws/alerts?after={2**40}") as connection:
        assert hear(connection, "hello")["cursor"] == 2**40
        assert hear(connection, "gap")["cursor"] == shared.status()["audit"]["size"]


@contextmanager
def events(receivers: Any, path: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """Server-sent events, as a browser's EventSource reads them."""
    asked = {"Authorization": f"Bearer {OPERATOR}", **headers}
    with httpx.stream("GET", receivers.url + path, headers=asked, timeout=15) as answer:
        assert answer.headers["content-type"] == "text/event-stream"

        def read() -> Generator[dict[str, str]]:
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if not line:
                    yield event
                    event = {}
                    continue
                name, _, value = line.partition(": ")
                event[name] = value

        with closing(read()) as reading:
            yield reading


def test_server_sent_events_tell_the_same_and_go_on_from_the_last_id(
    receivers: Any, words: Any
) -> None:
    with events(receivers, "/api/v1/stream/alerts") as read:
        assert next(read)["event"] == "hello"
        receivers.send("alerts", [words.alert(risk_id="drawdown/a")])
        first = next(event for event in read if event["event"] == "alert")
        assert json.loads(first["data"])["alert"]["risk_id"] == "drawdown/a"
    receivers.send("alerts", [words.alert(risk_id="drawdown/b")])
    again = {"Last-Event-ID": first["id"]}
    with events(receivers, "/api/v1/stream/alerts", **again) as read:
        # Whoever is cut off right after it comes again with the id that a browser keeps.
        assert next(read)["id"] == first["id"]
    with events(receivers, "/api/v1/stream/alerts", **again) as read:
        created = next(
            told
            for event in read
            if event["event"] == "alert"
            and (told := json.loads(event["data"]))["event"]["event_type"] == "ALERT_CREATED"
        )
        assert created["alert"]["risk_id"] == "drawdown/b"


def test_what_limits_stand_at_is_called_unknown_while_prometheus_does_not_answer(
    shared: Any,
) -> None:
    with listen(shared, "/ws/metrics") as connection:
        told = hear(connection, "metrics")
    assert told["current"] is None
    assert "does not answer" in told["problem"]
    assert told["kill_switch"] == "ARMED"
    assert told["gate"]["halted"] is False


@pytest.mark.parametrize(
    ("path", "token", "headers", "code"),
    [
        ("/ws/alerts", "", {}, 401),
        ("/ws/alerts", "runtime-secret", {}, 403),
        ("/ws/metrics", "wrong", {}, 401),
        ("/ws/nothing", OPERATOR, {}, 404),
        ("/ws/alerts", OPERATOR, {"Origin": "https://elsewhere.example"}, 403),
        ("/ws/alerts?after=now", OPERATOR, {}, 400),
    ],
)
def test_a_stream_that_may_not_be_is_refused_with_a_problem(
    path: str, token: str, headers: dict[str, str], code: int, shared: Any
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        listen(shared, path, token, **headers)
    answer = refused.value.response
    told = json.loads(answer.body)
    assert (answer.status_code, told["status"]) == (code, code)
    assert told["detail"]
    if not path.startswith("/ws/nothing"):
        path = path.replace("/ws/", "/api/v1/stream/")
        plain = httpx.get(shared.url + path, headers=by(token, headers))
        assert (plain.status_code, plain.json()["detail"]) == (code, told["detail"])


def test_only_so_many_listen_at_a_time_and_each_that_leaves_makes_room(
    stopped: Any, wait_until: Any
) -> None:
    stopped.policy.write_text(
        f"{stopped.policy.read_text()}[alerting.dashboard.websocket]\n"
        "max_connections = 2\nheartbeat_seconds = 0.2\n"
    )
    running = stopped.start()
    with listen(running) as one:
        hear(one, "hello")
        cursor = hear(one, "heartbeat")["cursor"]
        assert cursor == running.status()["audit"]["size"]
        with listen(running) as other:
            hear(other, "hello")
            with pytest.raises(InvalidStatus) as refused:
                listen(running)
            assert refused.value.response.status_code == 503
            assert "max_connections" in json.loads(refused.value.response.body)["detail"]
            # Too much of what nobody has to say ends a connection, and nobody else's.
            other.send("x" * 10_000)
            listen_to_the_end(other)

        def listens() -> bool:
            try:
                with listen(running) as another:
                    return bool(hear(another, "hello"))
            except InvalidStatus:
                return False

        wait_until(listens)
        assert running.stop() == 0
        listen_to_the_end(one)


def short(receivers: Any, **terms: float) -> Any:
    """The service, with other terms for streams."""
    said = "".join(f"{name} = {value}\n" for name, value in terms.items())
    receivers.policy.write_text(
        f"{receivers.policy.read_text()}[alerting.dashboard.websocket]\n{said}"
    )
    return receivers.start()


@pytest.mark.parametrize("path", ["/ws/metrics", "/ws/alerts"])
def test_who_may_not_listen_any_more_hears_nothing_more_however_much_is_told(
    shared: Any, path: str
) -> None:
    name = path.rpartition("/")[2]
    order = {"actor": "tester"}
    made = shared.call("POST", "/api/v1/tokens", json={**order, "name": name, "roles": ["auditor"]})
    with listen(shared, path, made.json()["token"]) as connection:
        hear(connection, "hello")
        assert shared.call("DELETE", f"/api/v1/tokens/{name}", json=order).status_code == 200
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - what comes before is told
            # Every second there is something to tell, so no heartbeat is due: that is in 30 s.
            for _ in range(20):
                connection.recv(timeout=15)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def deaf(receivers: Any, path: str, **headers: str) -> socket.socket:
    """Somebody who asks for a stream, and never reads."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", receivers.port))
    asked = {"Host": "x", "Authorization": f"Bearer {OPERATOR}", **headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items())]
    peer.sendall("\r\n".join([*lines, "", ""]).encode())
    return peer


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.parametrize("headers", [{}, UPGRADE], ids=["events", "websocket"])
def test_whoever_does_not_read_gives_their_place_to_somebody_who_does(
    headers: dict[str, str], stopped: Any, words: Any, wait_until: Any
) -> None:
    stopped.policy.write_text(f"{stopped.policy.read_text()}body_timeout_seconds = 0.5\n")
    running = short(stopped, max_connections=1)

    def is_full() -> bool:
        try:
            with listen(running):
                return False
        except InvalidStatus as refused:
            return refused.response.status_code == 503

    path = "/ws/alerts" if headers else "/api/v1/stream/alerts"
    with closing(deaf(running, path, **headers)):
        wait_until(is_full)
        number = 0

        def has_place() -> bool:
            nonlocal number
            number += 1
            # More than the kernel keeps for them, piece by piece.
            many = [words.alert(risk_id=f"drawdown/{number}-{one}") for one in range(10)]
            for alert in many:
                alert["annotations"]["description"] = "x" * 20_000
            assert running.send("alerts", many).status_code == 200
            return not is_full()

        wait_until(has_place, 60)
    assert "Traceback" not in running.log


def test_while_the_record_cannot_be_read_nobody_is_told_that_nothing_happens(
    stopped: Any, wait_until: Any
) -> None:
    running = short(stopped, heartbeat_seconds=0.2)
    aside = running.database.with_suffix(".aside")
    with listen(running) as connection:
        hear(connection, "heartbeat")
        running.database.rename(aside)
        try:
            wait_until(lambda: "the record cannot be followed" in running.log)

            def is_silent() -> bool:
                try:
                    connection.recv(timeout=1)
                except TimeoutError:
                    return True
                return False

            wait_until(is_silent)
        finally:
            aside.rename(running.database)
        assert hear(connection, "heartbeat")
