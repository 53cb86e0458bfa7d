"""What limits stand at, over the API, whatever Prometheus says or does not say."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NoReturn

import httpx
from prometheus_stand_in import (
    prometheus_that_answers,
    prometheus_that_hangs,
    prometheus_that_says,
)

HISTORY = "/api/v1/metrics/history?limit=drawdown"
HEALTH = "/healthz"


def test_a_prometheus_that_hangs_holds_up_nobody_who_asks_for_something_else(stopped: Any) -> None:
    with prometheus_that_hangs() as stopped.prometheus:
        running = stopped.start()

        def ask(path: str) -> httpx.Response:
            headers = {"Authorization": "Bearer operator-secret"}
            return httpx.get(running.url + path, headers=headers, timeout=60)

        with ThreadPoolExecutor(20) as pool:
            # More than the application has threads, and then a probe.
            asked = {pool.submit(ask, path): path for path in (*[HISTORY] * 16, HEALTH)}
            answers = [(asked[done], done.result()) for done in as_completed(asked)]
    codes = {path: {a.status_code for p, a in answers if p == path} for path in (HISTORY, HEALTH)}
    assert codes == {HISTORY: {503}, HEALTH: {200}}
    said = [path if path == HEALTH else answer.json()["detail"] for path, answer in answers]
    first = next(place for place, one in enumerate(said) if "timed out" in one)
    assert said.index(HEALTH) < first
    assert any("others wait for Prometheus" in one for one in said)


def test_what_is_no_number_is_told_as_null(stopped: Any) -> None:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    def found(query: str) -> Any:
        return [({"account": "main"}, math.nan)] if "snapshot_timestamp" in query else []

    with prometheus_that_says(found) as stopped.prometheus:
        answer = stopped.start().call("GET", "/api/v1/metrics/current")
    [account] = json.loads(answer.text, parse_constant=refuse)["accounts"]
    assert account == {"account": "main", "reported_at": None, "age_seconds": None, "stale": True}


def test_whatever_prometheus_answers_it_is_a_problem_or_unknown_and_no_mistake_of_ours(
    stopped: Any,
) -> None:
    said = [b""]
    preview = {"mode": "pause", "reason": "a test", "actor": "ann"}
    with prometheus_that_answers(lambda _: said[0]) as stopped.prometheus:
        running = stopped.start()
        for said[0] in (
            *(b"", b"null", b"[]", b"<html>", b"\xff", b"[" * 100_000, b'{"status": "error"}'),
            *(b'{"status": "success"}', b'{"status": "success", "data": {"result": null}}'),
            b'{"status": "success", "data": {"result": [1, 2]}}',
            b'{"status": "success", "data": {"result": [{"metric": {}, "value": [1, "x"]}]}}',
        ):
            for path in ("/api/v1/metrics/current?at=2026-01-01T00:00:00Z", HISTORY):
                answer = running.call("GET", path)
                assert (answer.status_code, said[0][:60]) == (503, said[0][:60])
                assert "not known now" in answer.json()["detail"]
            # Nothing keeps anybody from stopping.
            told = running.call("POST", "/api/v1/system/kill-switch", json=preview)
            assert (told.status_code, said[0][:60]) == (200, said[0][:60])
            assert told.json()["positions"] is None
            assert told.json()["unknown"]


def test_of_what_is_past_a_threshold_it_is_told_whether_an_alert_says_so(
    stopped: Any, words: Any
) -> None:
    def found(query: str) -> Any:
        if "snapshot_timestamp" in query:
            return []
        about = {"limit": "drawdown"}
        return [
            ({**about, "account": name, "risk_id": f"drawdown/{name}"}, ratio)
            for name, ratio in (("told", 0.9), ("untold", 0.9), ("well", 0.0))
        ]

    with prometheus_that_says(found) as stopped.prometheus:
        running = stopped.start()
        assert running.send("alerts", [words.alert(risk_id="drawdown/told")]).status_code == 200
        for path, told in (("", True), ("?at=2026-01-01T00:00:00Z", None)):
            answer = running.call("GET", f"/api/v1/metrics/current{path}").json()
            (limit,) = [one for one in answer["limits"] if one["limit"] == "drawdown"]
            said = {one["about"]["account"]: one["told"] for one in limit["values"]}
            assert said == {"told": told, "untold": None if told is None else False, "well": None}
