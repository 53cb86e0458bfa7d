"""Large bodies, many pieces, many waiting senders: nothing valid is lost and nobody is held up."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest


@contextmanager
def stalled_store(receivers: Any) -> Iterator[None]:
    """Hold the store's lock, as a writer that never comes back would."""
    lock = receivers.database.with_name(f"{receivers.database.name}.lock")
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture
def roomy(stopped: Any) -> Any:
    """A service that takes large bodies, and has the time to record them."""
    text = stopped.policy.read_text()
    assert "max_body_mib = 0.25" in text
    stopped.policy.write_text(text.replace("max_body_mib = 0.25", "max_body_mib = 16"))
    return stopped.start()


def blocked(number: int, **more: Any) -> dict[str, Any]:
    """A report about an order that was refused."""
    return {
        "id": f"report-{number:06}", "account": "main", "at": "2026-01-05T10:00:00Z",
        "kind": "trade_blocked", "trade_id": f"t{number}", "symbol": "X", "side": "buy",
        "quantity": "1", "price": "1", "reason": "halted", "gate_version": 1, **more,
    }  # fmt: skip


@pytest.fixture
def runtime(receivers: Any) -> Iterator[Callable[[int], httpx.Response]]:
    """Reports an order that was refused, over a connection that nobody else uses meanwhile."""
    headers = {"Authorization": "Bearer runtime-secret"}
    with httpx.Client(timeout=30, trust_env=False, headers=headers) as client:

        def report(number: int) -> httpx.Response:
            content = {"reports": [blocked(number)]}
            return client.post(f"{receivers.url}/api/v1/runtime/reports", json=content)

        yield report


def test_a_kill_waits_for_no_report(
    receivers: Any, runtime: Callable[[int], httpx.Response], wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    codes: list[int] = []

    def report(number: int) -> None:
        codes.append(runtime(number).status_code)

    with stalled_store(receivers):
        threads = [threading.Thread(target=report, args=(number,)) for number in range(60)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        answer = receivers.operator_kill("immediate")
        took = time.monotonic() - began
        assert answer.status_code == 503, "the store hangs, and nothing is promised"
        assert "the gate is closed" in answer.json()["detail"]
        assert receivers.gate_says_halt()
        assert took < 10, "one deadline, however many wait"
        for thread in threads:
            thread.join()
    assert set(codes) == {503}
    wait_until(lambda: "KILL_SWITCH_ACTIVATED" in receivers.event_types())


def test_only_so_many_reports_wait_and_whatever_was_refused_is_recorded_once(
    receivers: Any, runtime: Callable[[int], httpx.Response]
) -> None:
    answers: list[httpx.Response] = []

    def report(number: int) -> None:
        answers.append(runtime(number))

    with stalled_store(receivers):
        report(0)  # the writer holds this one, and waits for its turn
        threads = [threading.Thread(target=report, args=(n,)) for n in range(1, 60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert any("too many reports" in answer.text for answer in answers)
    answers.clear()
    for number in range(60):
        report(number)
    assert {answer.status_code for answer in answers} == {200}
    found = [e.payload.details["report_id"] for e in receivers.chain() if e.payload.trade_id]
    assert sorted(found) == [f"report-{number:06}" for number in range(60)], "each of them once"


def test_thousands_of_alerts_in_one_body_are_all_recorded_and_a_kill_among_them_acts(
    roomy: Any, words: Any
) -> None:
    many = [words.alert(risk_id=f"drawdown/{number}") for number in range(2500)]
    many.insert(2000, words.kill_alert())
    answer = roomy.client.post(
        f"{roomy.url}/api/v2/alerts",
        content=json.dumps(many),
        headers={"Authorization": "Bearer alert-feed-secret"},
        timeout=60,
    )
    assert roomy.gate_says_halt()
    if answer.status_code == 503:  # a slow machine: whoever sends it again gets it all recorded
        answer = roomy.send("alerts", many)
    assert answer.status_code == 200, answer.text
    assert roomy.rows("SELECT count(*) FROM incident") == [(2501,)]
    assert roomy.event_types().count("ALERT_CREATED") == 2501
    assert roomy.event_types().count("KILL_SWITCH_ACTIVATED") == 1


def test_a_body_of_a_million_pieces_holds_up_nobody(
    roomy: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(roomy.gate_is_open)
    body = json.dumps([words.alert(), *range(1_000_000)])
    answers: list[httpx.Response] = []

    def flood() -> None:
        headers = {"Authorization": "Bearer alert-feed-secret"}
        with httpx.Client(timeout=60, headers=headers) as client:
            answers.append(client.post(f"{roomy.url}/api/v2/alerts", content=body))

    slowest = 0.0
    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        assert roomy.send("alerts", [words.alert(risk_id="other/main")]).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2
    assert {answer.status_code for answer in answers} == {413}
    assert "100000 alerts" in answers[0].json()["detail"]
    assert roomy.rows("SELECT count(*) FROM incident WHERE risk_id = 'drawdown/main'") == [(1,)]
    assert roomy.rows("SELECT count(*), min(seen) FROM quarantine") == [(21, 3)]
    assert roomy.metric('risk_feed_quarantined_total{feed="alerts"}') > 290_000
    assert roomy.gate_is_open()


def test_many_malformed_pieces_are_one_broken_sender(receivers: Any, words: Any) -> None:
    body = json.dumps([*list(range(500)), words.alert()])
    assert (
        receivers.call(
            "POST", "/api/v2/alerts", token="alert-feed-secret", content=body
        ).status_code
        == 200
    )
    assert receivers.rows("SELECT count(*) FROM incident") == [(1,)], "the one alert among them"
    reasons = [reason for (reason,) in receivers.rows("SELECT reason FROM quarantine")]
    assert len(reasons) == 21
    assert "480 more malformed pieces, beside 20 kept apart" in reasons


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gate_version", 2**53),
        ("gate_version", -1),
        ("reason", "x" * 3000),
        ("symbol", "x" * 300),
        ("quantity", "1e9"),
    ],
)
def test_a_report_out_of_bounds_is_refused_by_field(shared: Any, field: str, value: Any) -> None:
    content = {"reports": [blocked(1, **{field: value})]}
    answer = shared.call("POST", "/api/v1/runtime/reports", token="runtime-secret", json=content)
    assert answer.status_code == 400
    assert f".{field}: " in answer.json()["detail"]


@pytest.mark.parametrize("blank", ["   ", "\t\n"])
def test_a_blank_token_is_refused_at_start(stopped: Any, blank: str) -> None:
    stopped.environ["RISKWARDEN_OPERATOR_TOKEN"] = blank
    assert stopped.spawn().wait(20) == 2
    said = "alerting.auth.operator_token: the token is blank; set ${RISKWARDEN_OPERATOR_TOKEN}"
    assert said in stopped.log
    assert "same token" not in stopped.log


def test_two_roles_with_one_token_are_refused_at_start(stopped: Any) -> None:
    token = stopped.environ["RISKWARDEN_ALERT_FEED_TOKEN"]
    stopped.environ["RISKWARDEN_OPERATOR_TOKEN"] = token
    assert stopped.spawn().wait(20) == 2
    assert "alerting.auth.operator_token: is the same token as alert_feed_token" in stopped.log
    assert "${RISKWARDEN_OPERATOR_TOKEN}" in stopped.log
    assert token not in stopped.log
