"""The kill switch for people at a screen: told first what would happen, then it happens."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pyotp
import pytest
from prometheus_stand_in import prometheus_that_hangs, prometheus_that_says

PATH = "/api/v1/system/kill-switch"
WANTED = {"mode": "immediate", "reason": "the feed is wrong", "actor": "ann"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_nothing_happens_before_the_second_step_and_then_it_is_a_kill_like_any_other(
    receivers: Any,
) -> None:
    told = receivers.call("POST", PATH, json=WANTED).json()
    assert (told["mode"], told["scope"], told["word"]) == ("immediate", "*", "IMMEDIATE")
    assert any("every position is closed now" in step for step in told["steps"])
    # Nobody can say which positions there are, and that is said instead of "none".
    assert told["positions"] is None
    assert "does not answer" in told["unknown"]
    assert not receivers.gate_says_halt()
    assert "KILL_SWITCH_ACTIVATED" not in receivers.event_types()

    second = {**WANTED, "confirmation": told["confirmation"], "word": "immediate"}
    done = receivers.call("POST", PATH, json=second)
    assert done.status_code == 200, done.text
    assert done.json()["mode"] == "immediate"
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["state"] == "TRIPPED"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"confirmation": "none"}, "unknown"),
        ({"word": ""}, "word must be the mode, PAUSE"),
        ({"word": "IMMEDIATE"}, "word must be the mode, PAUSE"),
        ({"mode": "immediate", "word": "IMMEDIATE"}, "another request"),
        ({"scope": "account=main"}, "another request"),
        ({"reason": "something else"}, "another request"),
    ],
)
def test_a_second_step_that_is_not_that_of_the_first_trips_nothing_and_is_on_record(
    change: dict[str, str], why: str, shared: Any
) -> None:
    wanted = {**WANTED, "mode": "pause"}
    code = shared.call("POST", PATH, json=wanted).json()["confirmation"]
    refused = shared.call(
        "POST", PATH, json={**wanted, "confirmation": code, "word": "PAUSE", **change}
    )
    assert refused.status_code == 409
    assert why in refused.json()["detail"]
    assert "nothing was tripped" in refused.json()["detail"]
    assert not shared.gate_says_halt()


def test_where_the_policy_asks_for_codes_of_the_authenticator_a_wrong_one_trips_nothing(
    stopped: Any,
) -> None:
    stopped.environ["RISKWARDEN_TOTP_SECRET"] = SECRET
    stopped.policy.write_text(
        f"{stopped.policy.read_text()}[alerting.kill_switch]\nneeds_totp = true\n"
    )
    running = stopped.start()
    told = running.call("POST", PATH, json=WANTED).json()
    assert told["needs_totp"]
    second = {**WANTED, "confirmation": told["confirmation"], "word": "IMMEDIATE"}
    shown = pyotp.TOTP(SECRET).at(datetime.now(UTC))
    wrong = "000000" if shown != "000000" else "111111"
    for totp in ("", wrong):
        refused = running.call("POST", PATH, json={**second, "totp": totp})
        assert (refused.status_code, "authenticator" in refused.json()["detail"]) == (409, True)
    assert not running.gate_says_halt()
    done = running.call("POST", PATH, json={**second, "totp": shown})
    assert done.status_code == 200, done.text
    assert running.gate_says_halt()


def test_a_prometheus_that_hangs_holds_up_neither_who_stops_nor_who_asks_how_it_stands(
    stopped: Any,
) -> None:
    headers = {"Authorization": "Bearer operator-secret"}
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        stopped.prometheus = f"127.0.0.1:{silent.getsockname()[1]}"
        running = stopped.start()

        def ask() -> int:
            url = f"{running.url}/api/v1/metrics/current"
            return httpx.get(url, headers=headers, timeout=60, trust_env=False).status_code

        with ThreadPoolExecutor(16) as consoles:
            asked = [consoles.submit(ask) for _ in range(16)]
            told = running.call("POST", PATH, json=WANTED).json()
            assert told["positions"] is None
            assert "does not answer" in told["unknown"]
            # One waits for Prometheus to the end; all of them together would keep every thread.
            assert running.status()["kill_switch"]["state"] == "ARMED"
            assert not all(one.done() for one in asked), "they waited for it meanwhile"
            second = {**WANTED, "confirmation": told["confirmation"], "word": "immediate"}
            assert running.call("POST", PATH, json=second).status_code == 200
            assert running.gate_says_halt()
            assert {one.result() for one in asked} == {503}


@pytest.mark.parametrize(
    ("ages", "scope", "known", "unknown"),
    [
        ({"main": 0}, "*", True, None),
        ({}, "*", False, "nobody reports what any account holds"),
        ({"main": 0}, "account=mian", False, "nobody reports what mian holds"),
        ({"main": 7200, "other": 0}, "*", True, "what main holds was last reported 720"),
        ({"main": 7200, "other": 0}, "account=other", True, None),
    ],
)
def test_positions_that_nobody_reports_any_more_are_not_told_as_none(
    ages: dict[str, float], scope: str, known: bool, unknown: str | None, stopped: Any
) -> None:
    def found(query: str) -> Any:
        if "snapshot_timestamp" in query:
            return [({"account": name}, time.time() - age) for name, age in ages.items()]
        return [({"account": "main", "symbol": "AAPL"}, 1.0)] if "notional" in query else []

    with prometheus_that_says(found) as stopped.prometheus:
        told = stopped.start().call("POST", PATH, json={**WANTED, "scope": scope}).json()
    assert (told["positions"] is not None) is known
    assert told["unknown"] is None if unknown is None else unknown in told["unknown"]


def test_who_wants_to_stop_does_not_wait_behind_others_for_a_prometheus_that_hangs(
    stopped: Any,
) -> None:
    with prometheus_that_hangs() as stopped.prometheus, ThreadPoolExecutor(8) as pool:
        running = stopped.start()
        asked = [pool.submit(running.call, "POST", PATH, json=WANTED) for _ in range(8)]
        told = [one.result().json() for one in asked]
    assert all(one["positions"] is None for one in told)
    assert all(len(one["confirmation"]) for one in told)
    assert sum("timed out" in one["unknown"] for one in told) < len(told)
