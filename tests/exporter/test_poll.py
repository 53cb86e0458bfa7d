"""Snapshots that are fetched: taken like those that are sent, and every failure is counted."""

from __future__ import annotations

import gc
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loopback_http import LoopbackServer, Reply

from risk_exporter import RiskExporter
from risk_exporter.errors import StartError
from risk_exporter.fetch import Answered, FetchError, Origin, fetch
from risk_exporter.poll import SnapshotPoller

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def runtime() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def poller(exporter: RiskExporter, runtime: LoopbackServer) -> SnapshotPoller:
    return SnapshotPoller(exporter, f"{runtime.url}/risk/snapshot?account=main", TOKEN)


def asked(runtime: LoopbackServer, *, timeout_seconds: float, most_bytes: int) -> Answered:
    origin = Origin.parse(runtime.url, "a runtime")
    return fetch(
        *(origin, "GET", "/"), headers={}, timeout_seconds=timeout_seconds, most_bytes=most_bytes
    )


def rejected(exporter: RiskExporter, scrape: Any, reason: str) -> float:
    return float(scrape(exporter).value("risk_snapshots_rejected_total", reason=reason))


def test_what_a_runtime_serves_is_measured_and_the_token_is_shown(
    poller: SnapshotPoller,
    runtime: LoopbackServer,
    exporter: RiskExporter,
    scrape: Any,
    body: dict[str, Any],
) -> None:
    runtime.next.append(Reply(200, json.dumps(body)))
    assert poller.poll()
    assert scrape(exporter).value("risk_equity", account="main") == body["equity"]
    (asked,) = runtime.received
    assert (asked.method, asked.path) == ("GET", "/risk/snapshot?account=main")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(200, "no json"), "malformed"),
        (Reply(200, '{"account": "main"}'), "malformed"),
        (Reply(200, "[NaN]"), "malformed"),
        (Reply(401), "unauthorized"),
        (Reply(403), "unauthorized"),
        (Reply(404), "unreachable"),
        (Reply(500), "unreachable"),
        (Reply(302, "", {"Location": "http://127.0.0.1:1/"}), "unreachable"),
        (Reply(manner="cut"), "unreachable"),
        (Reply(200, b"[" + b" " * 2**25), "unreachable"),
    ],
)
def test_what_cannot_be_used_is_counted_and_told_and_not_measured(
    poller: SnapshotPoller,
    runtime: LoopbackServer,
    exporter: RiskExporter,
    scrape: Any,
    caplog: pytest.LogCaptureFixture,
    body: dict[str, Any],
    reply: Reply,
    reason: str,
) -> None:
    runtime.next.extend([reply, reply, Reply(200, json.dumps(body))])
    assert not poller.poll()
    assert not poller.poll()
    assert rejected(exporter, scrape, reason) == 2
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1, "the same trouble is told once"
    assert TOKEN not in caplog.text
    assert poller.poll(), "and the next one is taken"
    assert "answers with snapshots again" in caplog.text


def test_a_snapshot_that_is_refused_is_counted_once(
    poller: SnapshotPoller,
    runtime: LoopbackServer,
    exporter: RiskExporter,
    scrape: Any,
    body: dict[str, Any],
) -> None:
    older = {**body, "taken_at": "2026-03-02T14:00:00Z", "market_time": "2026-03-02T14:00:00Z"}
    runtime.next.extend([Reply(200, json.dumps(body)), Reply(200, json.dumps(older))])
    assert poller.poll()
    assert not poller.poll()
    assert rejected(exporter, scrape, "taken_at_backwards") == 1


def test_it_polls_until_it_is_stopped(
    poller: SnapshotPoller, runtime: LoopbackServer, eventually: Callable[..., None]
) -> None:
    poller.start()
    eventually(lambda: len(runtime.received) >= 2)
    poller.stop()


@pytest.mark.parametrize("manner", ["never", "head", "body"])
def test_a_request_ends_in_time_however_slowly_the_other_side_trickles(
    runtime: LoopbackServer, manner: str
) -> None:
    runtime.next.append(Reply(manner=manner))
    begun = time.monotonic()
    with pytest.raises(FetchError):
        asked(runtime, timeout_seconds=0.3, most_bytes=10**9)
    assert time.monotonic() - begun < 2


def test_nothing_stays_open_of_an_answer_that_is_too_long(runtime: LoopbackServer) -> None:
    runtime.next.append(Reply(200, b" " * 2**20, {"Connection": "close"}))
    with pytest.raises(FetchError, match="more than 1000 bytes") as refused:
        asked(runtime, timeout_seconds=5, most_bytes=1000)
    answers = [one for one in gc.get_objects() if isinstance(one, http.client.HTTPResponse)]
    assert all(one.isclosed() for one in answers), refused.value


@pytest.mark.parametrize(
    "url", ["", "runtime:80", "ftp://runtime", "http://", "http://u:very-secret@runtime/"]
)
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(
    exporter: RiskExporter, url: str
) -> None:
    with pytest.raises(StartError) as refused:
        SnapshotPoller(exporter, url, TOKEN)
    assert "the URL to poll" in str(refused.value)
    assert "very-secret" not in str(refused.value)
