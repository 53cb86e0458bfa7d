"""A store that hangs: the kill switch does not wait, and what was missed is recorded later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from typing import Any

import pytest
from troubled_store import locked_database, spooled, stalled_store


def killed(receivers: Any, words: Any, source: str) -> Future[Any]:
    """Ask for the kill switch, and go on; how it was answered."""
    answer: Future[Any] = Future()

    def ask() -> None:
        if source == "operator":
            answer.set_result(receivers.operator_kill("immediate"))
        else:
            answer.set_result(receivers.send(source, [words.kill_alert()]))

    threading.Thread(target=ask, daemon=True).start()
    return answer


@pytest.mark.parametrize(
    ("source", "hold"), [("alerts", stalled_store), ("operator", locked_database)]
)
def test_a_store_that_hangs_does_not_hold_the_kill_switch_back(
    receivers: Any,
    words: Any,
    source: str,
    hold: Callable[[Any], AbstractContextManager[None]],
    wait_until: Callable[..., Any],
) -> None:
    wait_until(receivers.gate_is_open)
    with hold(receivers):
        began = time.monotonic()
        answer = killed(receivers, words, source)
        wait_until(receivers.gate_says_halt)
        assert time.monotonic() - began < 1.5, "an answer takes two seconds here"
        assert answer.result(10).status_code == 503
        assert spooled(receivers)
        kill_id = receivers.detail().kills[0].id
    wait_until(lambda: not spooled(receivers), what="the spool is merged while running")
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert "KILL_SWITCH_TRIGGER_RECORDED" not in receivers.event_types()
    assert receivers.status()["kill_switch"]["kill_id"] == kill_id
    assert receivers.detail().kills[0].id == kill_id, "what a runtime acted on stays true"


def test_the_gate_closes_while_nothing_can_be_recorded_although_nobody_asks(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with locked_database(receivers):
        began = time.monotonic()
        wait_until(lambda: not receivers.gate_is_open(), what="the lease is no longer renewed")
        assert time.monotonic() - began < 5
        assert not receivers.gate_says_halt(), "nobody decided that"
        (why,) = receivers.call("GET", "/api/v1/gate").json()["lease_withheld"]
        assert why.startswith("the store could record nothing for")
        assert receivers.call("GET", "/readyz", token="").status_code == 200, "it may come back"
        wait_until(lambda: receivers.metric("risk_store_writer_healthy") == 0)
    wait_until(receivers.gate_is_open)
    assert receivers.metric("risk_store_writer_healthy") == 1


@pytest.mark.parametrize("source", ["alerts", "operator"])
def test_a_store_that_is_back_in_time_has_recorded_what_closed_the_gate_before(
    receivers: Any, words: Any, source: str, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with stalled_store(receivers):
        answer = killed(receivers, words, source)
        wait_until(receivers.gate_says_halt)
        assert not answer.done()
    assert answer.result(10).status_code == 200
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    wait_until(lambda: not spooled(receivers))
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert "KILL_SWITCH_TRIGGER_RECORDED" not in receivers.event_types()
    assert receivers.detail().kills[0].id == kill_id


def test_what_asks_for_less_than_is_in_force_is_refused_by_a_slow_store_too(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    assert receivers.operator_kill("immediate").status_code == 200
    with ThreadPoolExecutor(1) as pool, stalled_store(receivers):
        answer = pool.submit(receivers.operator_kill, "pause")
        with pytest.raises(TimeoutError):
            answer.result(0.6)
        assert not spooled(receivers)
    assert answer.result(10).status_code == 409
    assert receivers.detail().kills[0].mode == "immediate"
    assert "KILL_SWITCH_TRIGGER_RECORDED" not in receivers.event_types()


def test_a_kill_that_only_alertmanager_asks_for_does_not_trip_without_a_store_either(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with stalled_store(receivers):
        body = words.webhook(words.kill_alert())
        assert receivers.send("notifications", body).status_code == 503
        assert not receivers.gate_says_halt()
        assert not spooled(receivers)


def test_a_store_that_hangs_for_long_is_named_and_the_kill_recorded_once_it_is_back(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with stalled_store(receivers):
        assert receivers.send("alerts", [words.kill_alert()]).status_code == 503
        wait_until(lambda: "another process has held the lock" in receivers.log)
        assert receivers.gate_says_halt()
        assert len(spooled(receivers)) == 1
        assert receivers.call("GET", "/readyz", token="").status_code == 200, "it may come back"
    wait_until(lambda: not spooled(receivers), what="the spool is merged while running")
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert receivers.stop() == 0


def test_a_full_queue_refuses_and_an_emergency_halts_even_then(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + "commit_batch = 1\nqueue_depth = 1\n")
    receivers = stopped.start()
    wait_until(receivers.gate_is_open)

    def send(number: int) -> None:
        receivers.send("alerts", [words.alert(risk_id=f"{number}/main")])

    with stalled_store(receivers):
        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: receivers.metric('risk_feed_requests_total{code="503",feed="alerts"}'))
        assert receivers.send("alerts", [words.kill_alert()]).status_code == 503
        assert receivers.gate_says_halt()
        for thread in threads:
            thread.join()
    wait_until(lambda: "KILL_SWITCH_ACTIVATED" in receivers.event_types())
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1


@pytest.mark.long
def test_probes_are_answered_while_everybody_else_waits_for_the_store(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert()])
    path = "/api/v1/alerts/drawdown/main:warning:1/comments"
    said = {"author": "ann", "comment": "seen"}

    def ask(probe: str) -> int:
        if probe:
            return int(receivers.call("GET", probe, token="", timeout=60).status_code)
        return int(receivers.call("POST", path, json=said, timeout=60).status_code)

    with locked_database(receivers), ThreadPoolExecutor(20) as pool:
        # More than the application has threads, and then the probes.
        asked = {pool.submit(ask, probe): probe for probe in [*[""] * 12, "/healthz", "/metrics"]}
        answers = [(asked[done], done.result()) for done in as_completed(asked)]
    assert set(answers[:2]) == {("/healthz", 200), ("/metrics", 200)}
    assert set(answers[2:]) == {("", 503)}
