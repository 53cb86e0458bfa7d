"""The HTTP edge: what a scrape over the wire shows, who may send snapshots, what is refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from risk_exporter import ExporterServer, RiskExporter, StartError
from risk_policy import Policy
from risk_policy.catalogue.metrics import METRICS

TOKEN = "a-token-of-the-tests"
BEARER = f"Bearer {TOKEN}"
PATH = "/api/v1/snapshot"
Ask = Callable[..., Any]


@pytest.fixture
def server(exporter: RiskExporter, listen: str) -> Iterator[ExporterServer]:
    with ExporterServer(exporter, CollectorRegistry(), listen, TOKEN) as running:
        yield running


@pytest.fixture
def post(ask: Ask, server: ExporterServer) -> Ask:
    def send(content: object, authorization: str = BEARER) -> Any:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return ask("POST", PATH, body, Authorization=authorization)

    return send


@pytest.fixture
def body(clock: Any) -> dict[str, Any]:
    """A snapshot as a runtime writes it."""
    return {
        "account": "main",
        "equity": 10_000,
        "cash": 9_000,
        "positions": [{"symbol": "AAPL", "quantity": 10, "mark": 100, "average_price": 125}],
        "taken_at": clock.now.isoformat(),
    }


def refusals(exporter: RiskExporter, scrape: Any) -> dict[str, float]:
    x = scrape(exporter)
    name = "risk_snapshots_rejected_total"
    reasons = {labels["reason"]: x.value(name, **labels) for labels in x.labels(name)}
    return {reason: count for reason, count in reasons.items() if count}


# -- scrapes ---------------------------------------------------------------------------------


def test_a_snapshot_sent_over_http_is_what_the_next_scrape_shows(
    post: Ask, ask: Ask, body: dict[str, Any], parse_scrape: Any
) -> None:
    assert post(body).status == 200
    reply = ask("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    x = parse_scrape(reply.text)
    assert {name for name, _ in x.samples} == {
        name for name, metric in METRICS.items() if metric.component == "exporter"
    }
    assert x.value("risk_equity", account="main") == 10_000
    assert x.value(
        "risk_position_return_ratio",
        account="main", symbol="AAPL", risk_id="position_loss/main/AAPL",
    ) == pytest.approx(-0.2)  # fmt: skip


def test_prometheus_gets_openmetrics_if_it_asks_for_it(ask: Ask, server: ExporterServer) -> None:
    reply = ask("GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


def test_other_metrics_of_the_registry_are_served_beside_ours(
    exporter: RiskExporter, listen: str, ask: Ask
) -> None:
    registry = CollectorRegistry()
    Gauge("orders_working", "Of the runtime.", registry=registry).set(3)
    with ExporterServer(exporter, registry, listen):
        assert "\norders_working 3.0\n" in ask("GET", "/metrics").text
    assert [family.name for family in registry.collect()] == ["orders_working"]


def test_waiting_for_a_scrape_ends_with_the_first_one(
    server: ExporterServer, ask: Ask, exporter: RiskExporter
) -> None:
    assert not server.wait_for_scrape(0)
    ask("GET", "/healthz")
    ask("GET", "/nothing")
    assert not server.wait_for_scrape(0)
    waiting = threading.Thread(target=lambda: ask("GET", "/metrics"))
    waiting.start()
    assert server.wait_for_scrape(10)
    waiting.join()
    server.stop()
    server.start()
    assert not server.wait_for_scrape(0)


# -- health ----------------------------------------------------------------------------------


def test_it_says_that_it_is_well_and_on_which_policy(
    server: ExporterServer, ask: Ask, policy: Policy
) -> None:
    reply = ask("GET", "/healthz")
    assert reply.status == 200
    assert reply.json == {"status": "ok", "policy_digest": policy.short_digest, "problems": []}


def test_it_is_not_well_while_its_state_is_not_on_disk(
    post: Ask, ask: Ask, body: dict[str, Any], state_dir: Any
) -> None:
    post(body)
    (state_dir / "main" / "state.json.new").mkdir()
    assert post(body | {"equity": 20_000}).status == 200
    reply = ask("GET", "/healthz")
    assert reply.status == 503
    assert str(state_dir / "main") in reply.json["problems"][0]


# -- snapshots -------------------------------------------------------------------------------


def test_the_answer_to_a_snapshot_holds_its_key_figures(post: Ask, body: dict[str, Any]) -> None:
    reply = post(body)
    assert reply.json == {
        "account": "main",
        "currency": "USD",
        "trading_day": "2026-03-02",
        "equity": 10_000,
        "equity_peak": 10_000,
        "equity_day_start": 10_000,
        "drawdown_ratio": 0,
        "daily_pnl_ratio": 0,
        "positions_open": 1,
        "exposure_gross_ratio": 0.1,
        "exposure_net_ratio": 0.1,
        "var_ratio": "NaN",
        "cvar_ratio": "NaN",
        "var_limit_usage_ratio": "NaN",
        "var_sample_count": 0,
    }


def test_infinite_figures_are_written_as_prometheus_writes_them(
    post: Ask, body: dict[str, Any]
) -> None:
    reply = post(body | {"equity": -5})
    assert reply.json["exposure_gross_ratio"] == "+Inf"
    assert reply.json["drawdown_ratio"] == 1


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, BEARER + "x", "Bearer ü"],
)
def test_without_the_token_nothing_is_taken_in(
    post: Ask, body: dict[str, Any], exporter: RiskExporter, scrape: Any, authorization: str
) -> None:
    reply = post(body, authorization)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in reply.json["error"]
    assert reply.json["problems"] == []
    assert TOKEN not in reply.text
    assert refusals(exporter, scrape) == {"unauthorized": 1}
    assert scrape(exporter).labels("risk_equity") == []


def test_the_token_is_in_no_metric_and_no_log(
    post: Ask, ask: Ask, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        post(body)
        post(b"{")
        post(body, "Bearer wrong")
        texts = [ask("GET", "/metrics").text, ask("GET", "/healthz").text]
    assert TOKEN not in caplog.text + "".join(texts)


@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"\xff\xfe", b'{"equity": NaN}'])
def test_what_is_not_json_is_refused(
    post: Ask, exporter: RiskExporter, scrape: Any, content: bytes
) -> None:
    reply = post(content)
    assert reply.status == 400
    assert reply.json["error"] == "the body is not JSON"
    assert refusals(exporter, scrape) == {"malformed": 1}


def test_deeply_nested_json_is_refused_and_breaks_nothing(post: Ask, body: dict[str, Any]) -> None:
    assert post(b"[" * 1_000_000).status == 400
    assert post(body).status == 200


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"equity": None}, "equity", "must be a number"),
        ({"equity": "much"}, "equity", "must be a number"),
        ({"equity": True}, "equity", "must be a number or a text, not true or false"),
        ({"cash": 10**400}, "cash", "must be a number"),
        ({"account": "a/b"}, "account", "must be 1 to 64 letters"),
        ({"account": "../escape"}, "account", "beginning with a letter or digit"),
        ({"account": 7}, "account", "must be a text"),
        ({"taken_at": "2026-03-02T15:00:00"}, "taken_at", "must carry a time zone"),
        ({"taken_at": "soon"}, "taken_at", "e.g. 2026-01-02T03:04:05Z"),
        ({"market_time": "soon"}, "market_time", "e.g. 2026-01-02T03:04:05Z"),
        ({"positions": 5}, "positions", "must be a list"),
        ({"positions": [5]}, "positions[0]", "must be an object"),
        ({"leverage": 2}, "leverage", "is unknown; known here: account, currency, equity"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(
    post: Ask, body: dict[str, Any], change: dict[str, Any], path: str, message: str
) -> None:
    reply = post(body | change)
    assert reply.status == 400
    assert [problem["path"] for problem in reply.json["problems"]] == [path]
    assert message in reply.problem(path)


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"mark": 0}, "positions[0].mark", "must be a number greater than 0"),
        ({"average_price": -1}, "positions[0].average_price", "greater than 0"),
        ({"max_notional": 0}, "positions[0].max_notional", "greater than 0"),
        ({"sector": "a/b"}, "positions[0].sector", "without / and control characters"),
        ({"quantity": False}, "positions[0].quantity", "not true or false"),
        ({"size": 1}, "positions[0].size", "is unknown; known here: symbol, quantity"),
    ],
)
def test_a_wrong_field_of_a_position_is_named_by_its_place(
    post: Ask, body: dict[str, Any], change: dict[str, Any], path: str, message: str
) -> None:
    body["positions"][0] |= change
    assert message in post(body).problem(path)


def test_every_problem_is_told_at_once(post: Ask, body: dict[str, Any]) -> None:
    del body["cash"]
    body["equity"] = "x"
    body["positions"][0]["mark"] = -1
    reply = post(body)
    assert {problem["path"] for problem in reply.json["problems"]} == {
        "cash",
        "equity",
        "positions[0].mark",
    }
    assert reply.problem("cash") == "is missing"


def test_a_body_full_of_problems_gets_a_short_answer(post: Ask, body: dict[str, Any]) -> None:
    body["positions"] = [{"symbol": "A"}] * 500
    problems = post(body).json["problems"]
    assert len(problems) == 51
    assert problems[-1]["message"] == "and 1450 more"


def test_a_symbol_that_appears_twice_is_named(post: Ask, body: dict[str, Any]) -> None:
    body["positions"] *= 2
    assert "'AAPL' appears twice" in post(body).problem("")


def test_a_snapshot_out_of_order_is_a_conflict_with_its_reason(
    post: Ask, body: dict[str, Any], clock: Any, exporter: RiskExporter, scrape: Any
) -> None:
    post(body)
    clock.advance(seconds=1)
    post(body | {"taken_at": clock.now.isoformat()})
    reply = post(body)
    assert reply.status == 409
    assert reply.json["error"] == "the snapshot was refused: taken_at_backwards"
    assert "send snapshots in order" in reply.problem("taken_at")
    assert refusals(exporter, scrape) == {"taken_at_backwards": 1}


def test_a_body_beyond_the_bound_is_refused_unread(
    server: ExporterServer, policy: Policy, ask: Ask, exporter: RiskExporter, scrape: Any
) -> None:
    bound = int(policy.alerting.intake.max_body_mib * 1024 * 1024)
    reply = ask("POST", PATH, b" " * (bound + 1), Authorization=BEARER)
    assert reply.status == 413
    assert "alerting.intake.max_body_mib" in reply.json["error"]
    assert refusals(exporter, scrape) == {"too_large": 1}


def talk(listen: str, text: bytes) -> bytes:
    """Send bytes as they are, then listen until the other end closes."""
    host, port = listen.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        while chunk := connection.recv(65536):
            reply += chunk
        return reply


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", b"411"),
        ("Content-Length: many", b"400"),
        ("Content-Length: -1", b"400"),
        ("Content-Length: " + "9" * 10_000, b"413"),
        ("Content-Length: 100", b"400"),  # and then only ten bytes come
        ("Transfer-Encoding: chunked", b"411"),
    ],
)
def test_a_body_of_unclear_length_is_refused(
    server: ExporterServer, listen: str, headers: str, status: bytes
) -> None:
    lines = (f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: {BEARER}", headers)
    reply = talk(listen, "\r\n".join(x for x in lines if x).encode() + b'\r\n\r\n{"a": 1234}')
    assert reply.split(b" ")[1] == status
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize("line", [b"nonsense\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_gets_no_page_of_html(
    server: ExporterServer, listen: str, line: bytes
) -> None:
    reply = talk(listen, line)
    assert b"<html" not in reply.lower()
    assert b'"error"' in reply


def test_paths_and_methods_that_are_not_there_are_told_so(server: ExporterServer, ask: Ask) -> None:
    assert ask("GET", "/").status == 404
    assert "/metrics" in ask("GET", "/nowhere").json["error"]
    reply = ask("GET", PATH)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    reply = ask("POST", "/metrics", b"x" * 100_000)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


def test_an_embedded_exporter_takes_no_snapshots_over_http(
    exporter: RiskExporter, listen: str, ask: Ask, body: dict[str, Any]
) -> None:
    with ExporterServer(exporter, CollectorRegistry(), listen):
        reply = ask("POST", PATH, json.dumps(body).encode(), Authorization=BEARER)
    assert reply.status == 404
    assert "embedded" in reply.json["error"]


# -- start and stop --------------------------------------------------------------------------


def test_a_port_in_use_is_an_error_that_names_it(
    server: ExporterServer, exporter: RiskExporter, listen: str
) -> None:
    second = ExporterServer(exporter, CollectorRegistry(), listen)
    with pytest.raises(StartError, match=f"cannot listen on {listen}: Address already in use"):
        second.start()
    second.stop()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:0", "127.0.0.1:http", ":1"])
def test_an_address_that_is_none_is_refused(exporter: RiskExporter, address: str) -> None:
    with pytest.raises(StartError, match="must be host:port"):
        ExporterServer(exporter, CollectorRegistry(), address)


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(exporter: RiskExporter, token: str) -> None:
    with pytest.raises(StartError, match="token is empty"):
        ExporterServer(exporter, snapshot_token=token)


def test_an_exporter_registered_twice_is_an_error_that_says_so(
    exporter: RiskExporter, listen: str
) -> None:
    registry = CollectorRegistry()
    registry.register(exporter)
    with pytest.raises(StartError, match="do not register the exporter yourself"):
        ExporterServer(exporter, registry, listen).start()


def test_stopping_leaves_neither_threads_nor_sockets_and_starting_again_works(
    exporter: RiskExporter, listen: str, ask: Ask
) -> None:
    before = set(threading.enumerate())
    server = ExporterServer(exporter, CollectorRegistry(), listen)
    for _ in range(3):
        server.start()
        assert ask("GET", "/metrics").status == 200
        server.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(ConnectionRefusedError):
            ask("GET", "/metrics")
    server.stop()


def test_stopping_does_not_wait_for_a_client_that_says_nothing(
    exporter: RiskExporter, listen: str, eventually: Callable[..., None]
) -> None:
    before = threading.active_count()
    host, port = listen.split(":")
    server = ExporterServer(exporter, CollectorRegistry(), listen)
    server.start()
    with socket.create_connection((host, int(port))) as silent:
        eventually(lambda: threading.active_count() == before + 2)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(timeout=3)
        assert not stopping.is_alive()
        assert silent.recv(1) == b""
