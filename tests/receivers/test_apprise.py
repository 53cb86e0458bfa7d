"""The Apprise channel against loopback services: who gets what, and that no URL ever shows."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from risk_policy.environment import Secret
from risk_policy.vocabulary import Severity
from risk_receivers.channels.apprise import AppriseChannel
from risk_receivers.channels.errors import TemporaryDeliveryError
from risk_receivers.channels.message import Kind
from risk_receivers.errors import StartError
from risk_receivers.templating.renderer import Renderer
from risk_receivers.templating.samples import awkward, sample

RENDER = Renderer().render_for("apprise")
HIDDEN = "hunter2token"


@dataclass
class Service:
    """A loopback service that takes Apprise's JSON."""

    port: int = 0
    status: int = 200
    taken: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://user:{HIDDEN}@127.0.0.1:{self.port}/{HIDDEN}/?cto=2&rto=2"


@pytest.fixture
def service() -> Iterator[Callable[[], Service]]:
    servers: list[ThreadingHTTPServer] = []

    def make() -> Service:
        state = Service()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if state.status == 200:
                    state.taken.append(json.loads(body))
                self.send_response(state.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        state.port = server.server_port
        return state

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppriseChannel]:
    def make(*urls: str) -> AppriseChannel:
        for number, url in enumerate(urls):
            monkeypatch.setenv(f"APPRISE_URL_{number}", url)
        secrets = [Secret(f"${{APPRISE_URL_{number}}}") for number in range(len(urls))]
        return AppriseChannel(render=RENDER, urls=secrets)

    return make


Make = Callable[..., AppriseChannel]
Start = Callable[[], Service]


@pytest.mark.parametrize(
    ("kind", "severity", "expected"),
    [
        (Kind.FIRING, Severity.INFO, "info"),
        (Kind.FIRING, Severity.WARNING, "warning"),
        (Kind.FIRING, Severity.CRITICAL, "failure"),
        (Kind.ESCALATED, Severity.EMERGENCY, "failure"),
        (Kind.RESOLVED, Severity.EMERGENCY, "success"),
    ],
)
def test_a_message_arrives_with_the_kind_that_services_colour_by(
    kind: Kind, severity: Severity, expected: str, service: Start, channel: Make
) -> None:
    taking = service()
    channel(taking.url).deliver(sample(kind, severity))
    (found,) = taking.taken
    assert found["type"] == expected
    assert found["title"] == RENDER(sample(kind, severity)).subject
    assert "21.4%, against a limit of 20%" in found["message"]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_what_a_service_does_not_take_is_tried_again_and_the_others_are_spared(
    status: int, service: Start, channel: Make, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = service(), service()
    bad.status = status
    both = channel(bad.url, good.url)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            with pytest.raises(TemporaryDeliveryError) as caught:
                both.deliver(sample())
            assert str(caught.value) == f"${{APPRISE_URL_0}} (JSON) answered with HTTP {status}"
    assert len(good.taken) == 1
    bad.status = 200
    both.deliver(sample())
    assert (len(good.taken), len(bad.taken)) == (1, 1)
    both.deliver(sample())  # somebody has it sent again on purpose
    assert (len(good.taken), len(bad.taken)) == (2, 2)
    assert HIDDEN not in caplog.text


def test_a_service_that_is_not_there_is_tried_again_and_its_url_shown_nowhere(
    service: Start,
    channel: Make,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    nowhere = channel(f"json://user:{HIDDEN}@127.0.0.1:1/{HIDDEN}?cto=1&rto=1")
    with caplog.at_level(logging.DEBUG), pytest.raises(TemporaryDeliveryError) as caught:
        nowhere.deliver(sample())
    shown = capfd.readouterr()
    assert HIDDEN not in f"{caught.value!r}{caught.value.__cause__!r}{caplog.text}{shown}"


def test_one_variable_may_hold_several_urls(service: Start, channel: Make) -> None:
    one, other = service(), service()
    channel(f"{one.url}, {other.url}").deliver(sample())
    assert (len(one.taken), len(other.taken)) == (1, 1)


@pytest.mark.parametrize(("name", "owed"), [*awkward()])
def test_no_alert_is_too_odd_to_arrive(name: str, owed: Any, service: Start, channel: Make) -> None:
    taking = service()
    channel(taking.url).deliver(owed)
    assert len(taking.taken) == 1


@pytest.mark.parametrize("url", [f"nothing://{HIDDEN}", HIDDEN, "json://", f"slack://{HIDDEN}"])
def test_a_url_that_apprise_does_not_understand_is_refused_and_not_shown(
    url: str, channel: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StartError, match=r"urls\.0: .*\$\{APPRISE_URL_0\}") as caught:
        channel(url)
    assert HIDDEN not in f"{caught.value!r}{caught.value.__context__!r}{caplog.text}"


def test_checking_tells_nobody(service: Start, channel: Make) -> None:
    taking = service()
    channel(taking.url).check()
    assert taking.taken == []
