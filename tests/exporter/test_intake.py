"""Snapshots over HTTP: who may send them, and how a wrong one is told what would be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy

PATH = "/api/v1/snapshot"
Ask = Callable[..., Any]


def refusals(exporter: RiskExporter, scrape: Any) -> dict[str, float]:
    x = scrape(exporter)
    name = "risk_snapshots_rejected_total"
    reasons = {labels["reason"]: x.value(name, **labels) for labels in x.labels(name)}
    return {reason: count for reason, count in reasons.items() if count}


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
        "var_covered_ratio": 0,
        "var_uncovered_positions": 1,
    }


def test_infinite_figures_are_written_as_prometheus_writes_them(
    post: Ask, body: dict[str, Any]
) -> None:
    reply = post(body | {"equity": -5})
    assert reply.json["exposure_gross_ratio"] == "+Inf"
    assert reply.json["drawdown_ratio"] == 1


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Bearer {}x", "Bearer ü"],
)
def test_without_the_token_nothing_is_taken_in(
    post: Ask,
    body: dict[str, Any],
    exporter: RiskExporter,
    scrape: Any,
    token: str,
    authorization: str,
) -> None:
    reply = post(body, authorization.format(token))
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in reply.json["error"]
    assert reply.json["problems"] == []
    assert token not in reply.text
    assert refusals(exporter, scrape) == {"unauthorized": 1}
    assert scrape(exporter).labels("risk_equity") == []


def test_the_token_is_in_no_metric_and_no_log(
    post: Ask, ask: Ask, body: dict[str, Any], token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        post(body)
        post(b"{")
        post(body, "Bearer wrong")
        texts = [ask("GET", "/metrics").text, ask("GET", "/healthz").text]
    assert token not in caplog.text + "".join(texts)


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
    server: ExporterServer,
    policy: Policy,
    ask: Ask,
    token: str,
    exporter: RiskExporter,
    scrape: Any,
) -> None:
    bound = int(policy.alerting.intake.max_body_mib * 1024 * 1024)
    reply = ask("POST", PATH, b" " * (bound + 1), Authorization=f"Bearer {token}")
    assert reply.status == 413
    assert "alerting.intake.max_body_mib" in reply.json["error"]
    assert refusals(exporter, scrape) == {"too_large": 1}


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
    server: ExporterServer, talk: Any, token: str, headers: str, status: bytes
) -> None:
    lines = (f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", headers)
    reply = talk("\r\n".join(x for x in lines if x).encode() + b'\r\n\r\n{"a": 1234}')
    assert reply.split(b" ")[1] == status
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]
