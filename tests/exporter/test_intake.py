"""Snapshots over HTTP: who may send them, and how a wrong one is told what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from risk_exporter import ExporterServer, RiskExporter
from risk_exporter.answers import _MODELS
from risk_policy import Policy
from risk_policy.contracts.snapshot import Snapshot

PATH = "/api/v1/snapshot"
STOPPED = {"kind": "stop_loss", "symbol": "A", "at": "2026-03-02T14:00:00Z"}
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
        "equity_day_high": 10_000,
        "drawdown_ratio": 0,
        "intraday_drawdown_ratio": 0,
        "daily_pnl_ratio": 0,
        "positions_open": 1,
        "exposure_gross_ratio": 0.1,
        "exposure_net_ratio": 0.1,
        "leverage_ratio": 0.1,
        "margin_level_ratio": None,
        "var_ratio": "NaN",
        "cvar_ratio": "NaN",
        "var_limit_usage_ratio": "NaN",
        "cvar_limit_usage_ratio": "NaN",
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
        ({"taken_at": "0001-01-01T00:00:00Z"}, "taken_at", "is no time that UTC could tell"),
        ({"taken_at": "0001-01-01T00:00:00+14:00"}, "taken_at", "was it never set?"),
        ({"market_time": "0001-01-01T00:00:00+02:00"}, "market_time", "was it never set?"),
        ({"market_time": "9999-12-31T23:59:59-02:00"}, "market_time", "was it never set?"),
        ({"taken_at": "soon"}, "taken_at", "e.g. 2026-01-02T03:04:05Z"),
        ({"market_time": "soon"}, "market_time", "e.g. 2026-01-02T03:04:05Z"),
        ({"positions": 5}, "positions", "must be a list"),
        ({"positions": [5]}, "positions[0]", "must be an object"),
        ({"lever": 2}, "lever", "is unknown; known here: account, currency, equity"),
        ({"leverage": -1}, "leverage", "must be a number of at least 0"),
        ({"leverage": True}, "leverage", "not true or false"),
        ({"margin_used": "x"}, "margin_used", "must be a number"),
        ({"consecutive_losses": 1.5}, "consecutive_losses", "must be a whole number"),
        ({"consecutive_losses": -1}, "consecutive_losses", "must be a number of at least 0"),
        ({"consecutive_losses": 10**400}, "consecutive_losses", "at most 9007199254740992"),
        ({"reports_stops": 1}, "reports_stops", "must be true or false"),
        ({"reports_stops": "yes"}, "reports_stops", "must be true or false"),
        ({"strategies": [{"exposure": 1, "limit": 1}]}, "strategies[0].name", "is missing"),
        (
            {"strategies": [{"name": "a b"}]},
            "strategies[0].name",
            "must be 1 to 64 letters, digits",
        ),
        (
            {"strategies": [{"name": "trend", "exposure": 1}]},
            "strategies[0]",
            "'trend' has no limit; give exposure and limit, or neither",
        ),
        (
            {"venues": [{"name": "nyse", "limit": 1}]},
            "venues[0]",
            "'nyse' has no exposure; give exposure and limit, or neither",
        ),
        (
            {"strategies": [{"name": "trend"}] * 2},
            "strategies",
            "name 'trend' appears twice; report each once",
        ),
        (
            {"markets": [{"symbol": "A"}, {"symbol": "B"}, {"symbol": "A"}]},
            "markets",
            "symbol 'A' appears twice; report each once",
        ),
        (
            {"venues": [{"name": "nyse", "edge": 1}]},
            "venues[0].edge",
            "is unknown; known here: name, exposure, limit",
        ),
        ({"budgets": [{"name": "news", "spent": 1}]}, "budgets[0].limit", "is missing"),
        ({"markets": [{"symbol": "A", "spread_ratio": -1}]}, "markets[0].spread_ratio", "least 0"),
        ({"markets": [{"symbol": "A", "bid": 1}]}, "markets[0].bid", "known here: symbol, spread"),
        ({"latencies": 3}, "latencies", "must be an object"),
        ({"latencies": {"p95": 3}}, "latencies.p95", "known here: inference_p95_seconds"),
        (
            {"latencies": {"venues": [{"name": "x", "order_fill_seconds": -1}]}},
            "latencies.venues[0].order_fill_seconds",
            "must be a number of at least 0",
        ),
        (
            {"latencies": {"venues": [{"name": "x", "lag": 1}]}},
            "latencies.venues[0].lag",
            "is unknown; known here: name, websocket_lag_seconds",
        ),
        (
            {"events": [{**STOPPED, "kind": "liquidation"}]},
            "events[0].kind",
            "must be stop_loss or take_profit",
        ),
        (
            {"events": [{**STOPPED, "at": "2026-03-02T14:00:00"}]},
            "events[0].at",
            "must carry a time zone",
        ),
        (
            {"events": [{**STOPPED, "at": "0001-01-01T00:00:00Z"}]},
            "events[0].at",
            "was it never set?",
        ),
        ({"gating": {"mode": "prod"}}, "gating.mode", "must be paper, testnet or live"),
        ({"gating": {"live_dry_run": True}}, "gating.mode", "is missing"),
        (
            {"gating": {"mode": "live", "live_dry_run": 0}},
            "gating.live_dry_run",
            "must be true or false",
        ),
        (
            {"gating": {"mode": "live", "confirm_token": "sesame"}},
            "gating.confirm_token",
            "is unknown; known here: mode, enable_live_trading",
        ),
        (
            {"events": [{**STOPPED, "price": 1}]},
            "events[0].price",
            "is unknown; known here: kind, symbol, at",
        ),
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
        ({"stop": 0}, "positions[0].stop", "must be a number greater than 0"),
        ({"held_periods": -1}, "positions[0].held_periods", "must be a number of at least 0"),
        ({"atr_ratio": "wide"}, "positions[0].atr_ratio", "must be a number"),
        ({"size": 1}, "positions[0].size", "is unknown; known here: symbol, quantity"),
    ],
)
def test_a_wrong_field_of_a_position_is_named_by_its_place(
    post: Ask, body: dict[str, Any], change: dict[str, Any], path: str, message: str
) -> None:
    body["positions"][0] |= change
    assert message in post(body).problem(path)


def test_everything_that_may_be_told_is_taken_in(
    post: Ask, body: dict[str, Any], told: dict[str, Any], told_of_position: dict[str, Any]
) -> None:
    body["positions"][0] |= told_of_position
    reply = post(json.loads(json.dumps(body | told, default=str)))
    assert reply.status == 200, reply.text
    assert reply.json["leverage_ratio"] == 1.5
    assert reply.json["margin_level_ratio"] == 2


def test_the_snapshot_of_the_guide_is_valid_and_tells_all_there_is_to_tell() -> None:
    guide = (Path(__file__).parents[2] / "docs/generic.md").read_text()
    (text,) = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    snapshot = Snapshot.model_validate_json(text)
    left_out = set(Snapshot.model_fields) - snapshot.model_fields_set
    assert left_out <= {"currency", "market_time"}
    (position,) = snapshot.positions
    assert {"stop", "held_periods", "atr_ratio"} <= position.model_fields_set


def test_every_part_of_a_snapshot_can_say_which_fields_it_knows() -> None:
    def parts(model: type[BaseModel], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        yield place
        for name, field in model.model_fields.items():
            for inner in (field.annotation, *get_args(field.annotation)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from parts(inner, (*place, name))

    assert set(parts(Snapshot)) == set(_MODELS)


def test_an_event_that_has_not_happened_yet_is_a_conflict(
    post: Ask, body: dict[str, Any], clock: Any, exporter: RiskExporter, scrape: Any
) -> None:
    late = {**STOPPED, "at": (clock.now + timedelta(seconds=60)).isoformat()}
    reply = post(body | {"events": [STOPPED, late]})
    assert reply.status == 409
    assert "send the wall clock's time" in reply.problem("events[1].at")
    assert refusals(exporter, scrape) == {"from_the_future": 1}


def test_a_book_that_is_left_out_is_not_taken_for_a_flat_one(
    post: Ask, body: dict[str, Any], exporter: RiskExporter, scrape: Any
) -> None:
    positions = body.pop("positions")
    reply = post(body)
    assert (reply.status, reply.problem("positions")) == (400, "is missing")
    assert post(body | {"positions": None}).status == 400
    assert scrape(exporter).labels("risk_positions_open") == []
    assert post(body | {"positions": positions}).status == 200
    assert scrape(exporter).value("risk_positions_open", account="main") == 1
    later = datetime.fromisoformat(body["taken_at"]) + timedelta(seconds=1)
    body["taken_at"] = later.isoformat()
    assert post(body | {"positions": []}).status == 200
    assert scrape(exporter).value("risk_positions_open", account="main") == 0


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


def test_a_count_beyond_all_numbers_breaks_no_scrape(
    post: Ask, ask: Ask, body: dict[str, Any], parse_scrape: Any
) -> None:
    post(body)
    assert post(body | {"account": "other", "consecutive_losses": 10**400}).status == 400
    assert post(body | {"account": "most", "consecutive_losses": 2**53}).status == 200
    x = parse_scrape(ask("GET", "/metrics").text)
    assert x.value("risk_equity", account="main") == 10_000


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
