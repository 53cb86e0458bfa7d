"""A store that cannot commit: nothing is promised, and the kill switch acts all the same."""

from __future__ import annotations

import contextlib
import fcntl
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import pytest

from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import SpooledTrip


def break_store(receivers: Any) -> None:
    """From now on no file of the service may grow beyond what the store already has."""
    limits = (8192, resource.RLIM_INFINITY)
    resource.prlimit(receivers.process.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def stalled_store(receivers: Any) -> Iterator[None]:
    """Hold the store's lock, as a writer that never comes back would."""
    lock = receivers.database.with_name(f"{receivers.database.name}.lock")
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_database(receivers: Any) -> Iterator[None]:
    """Hold the database itself, as a shell or a backup does that ignores the lock."""
    with closing(sqlite3.connect(receivers.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def spooled(receivers: Any) -> list[SpooledTrip]:
    spool = Spool(receivers.data / "spool")
    spool.open()
    spool.close()
    return list(spool.pending)


def test_what_cannot_be_recorded_is_answered_503_and_readiness_says_so(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    assert receivers.send("alerts", [words.alert()]).status_code == 503
    assert receivers.send("notifications", words.webhook(words.alert())).status_code == 503
    answer = receivers.call("GET", "/readyz", token="")
    assert answer.status_code == 503
    assert "store" in answer.json()["reasons"][0]
    assert receivers.metric("risk_store_writer_healthy") == 0
    assert receivers.metric('risk_feed_requests_total{code="503",feed="alerts"}') == 1
    assert not receivers.gate_says_halt(), "a warning halts nothing"
    wait_until(lambda: not receivers.gate_is_open(), what="the lease is no longer renewed")


def test_an_emergency_halts_at_once_and_reaches_the_store_at_the_next_start(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    for _ in range(3):
        assert receivers.send("alerts", [words.kill_alert()]).status_code == 503
        assert receivers.gate_says_halt()
    assert len(spooled(receivers)) == 1, "repeats do not fill the spool"
    kill = receivers.detail().kill
    assert kill.cause == "DRAWDOWN_EMERGENCY"
    assert "KILL_SWITCH_ACTIVATED" not in receivers.event_types()
    receivers.kill()

    for _ in range(2):
        receivers.start()
        assert receivers.gate_says_halt()
        assert receivers.status()["kill_switch"]["kill_id"] == kill.kill_id
        assert spooled(receivers) == []
        kinds = receivers.event_types()
        assert kinds.count("KILL_SWITCH_ACTIVATED") == kinds.count("ALERT_CREATED") == 1
        receivers.stop()
    assert receivers.verified().ok


def test_a_record_that_was_committed_and_spooled_counts_once(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    # Whoever asks the store whether it records would find out first that it is gone.
    policy = stopped.policy.read_text()
    stopped.policy.write_text(policy.replace("renew_seconds = 0.1", "renew_seconds = 1.5"))
    receivers = stopped.start()
    wait_until(receivers.gate_is_open)
    aside = receivers.database.with_name("aside.db")
    receivers.database.rename(aside)
    assert receivers.send("alerts", [words.kill_alert()]).status_code == 503
    assert receivers.gate_says_halt()
    assert spooled(receivers)
    kill_id = receivers.detail().kill.kill_id
    receivers.kill()
    aside.rename(receivers.database)
    receivers.start()
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert receivers.event_types().count("ALERT_CREATED") == 1
    assert spooled(receivers) == []
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["kill_id"] == kill_id


def test_an_operators_kill_acts_without_a_store_and_is_recorded_later(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    answer = receivers.operator_kill("graceful", "something is wrong")
    assert answer.status_code == 503
    assert "the gate is closed" in answer.json()["error"]
    assert receivers.gate_says_halt()
    assert receivers.detail().kill.cause == "something is wrong"
    receivers.kill()
    receivers.start()
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert (event.payload.actor_id, event.payload.action_reason) == ("tester", "something is wrong")
    assert event.payload.details["mode"] == "graceful"


def test_a_trip_that_can_be_kept_nowhere_still_closes_the_gate(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    shutil.rmtree(receivers.data / "spool")
    for answer in (
        receivers.send("alerts", [words.kill_alert()]),
        receivers.operator_kill("immediate", "it burns"),
    ):
        assert answer.status_code == 503
        assert "held in memory only" in answer.json()["error"]
        assert receivers.gate_says_halt()
    reasons = receivers.call("GET", "/readyz", token="").json()["reasons"]
    assert any("2 trips are held in memory only" in reason for reason in reasons)
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"], switch["on_record"]) == ("TRIPPED", "immediate", False)
    receivers.kill()
    receivers.start()
    assert receivers.gate_says_halt(), "the published gate itself is evidence"


def test_a_trip_in_memory_is_kept_as_soon_as_that_is_possible(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    shutil.rmtree(receivers.data / "spool")
    assert receivers.operator_kill("graceful", "it burns").status_code == 503
    (receivers.data / "spool").mkdir()

    def reasons() -> str:
        return str(receivers.call("GET", "/readyz", token="").json()["reasons"])

    wait_until(lambda: "held in memory" not in reasons())
    receivers.kill()
    receivers.start()
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert (event.payload.actor_id, event.payload.action_reason) == ("tester", "it burns")
    switch = receivers.status()["kill_switch"]
    assert (switch["mode"], switch["on_record"]) == ("graceful", True)
    assert spooled(receivers) == []


def kept_in_full(
    receivers: Any, wait_until: Callable[..., Any], fill: Callable[[], object]
) -> None:
    """What an operator asked for is what is in force after a crash, though nothing had room."""
    wait_until(receivers.gate_is_open)
    fill()
    assert receivers.operator_kill("pause", "just a pause").status_code == 503
    assert receivers.gate_says_halt()
    assert receivers.detail().kill.mode == "pause"
    assert receivers.operator_kill("graceful", "close, but gently").status_code == 503
    assert receivers.detail().kill.mode == "graceful"
    switch = receivers.status()["kill_switch"]
    assert (switch["mode"], switch["cause"]) == ("graceful", "just a pause")
    assert receivers.call("GET", "/readyz", token="").status_code == 503
    assert "memory only" not in receivers.call("GET", "/readyz", token="").text
    receivers.kill()


def and_recorded(receivers: Any) -> None:
    receivers.start()
    switch = receivers.status()["kill_switch"]
    assert (switch["mode"], switch["cause"]) == ("graceful", "just a pause")
    kills = [e for e in receivers.chain() if str(e.event_type).startswith("KILL_SWITCH")]
    assert [e.payload.action_reason for e in kills] == ["just a pause", "close, but gently"]
    assert spooled(receivers) == []


def test_a_file_system_that_takes_no_write_at_all(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    nothing = (0, resource.RLIM_INFINITY)
    kept_in_full(
        receivers,
        wait_until,
        lambda: resource.prlimit(receivers.process.pid, resource.RLIMIT_FSIZE, nothing),
    )
    and_recorded(receivers)


def test_a_full_disk(stopped: Any, wait_until: Callable[..., Any]) -> None:
    stopped.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "riskwarden", str(stopped.data)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nobody may mount a small disk here")
    filler = stopped.data / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while stream.write(b"x" * 512):
                pass

    try:
        kept_in_full(stopped.start(), wait_until, fill)
        filler.unlink()
        and_recorded(stopped)
    finally:
        stopped.close()
        subprocess.run(["umount", str(stopped.data)], check=True)


@pytest.mark.parametrize("left", [b"", b'{"id": "torn"'])
def test_a_spooled_trip_that_cannot_be_read_trips(stopped: Any, left: bytes) -> None:
    (stopped.data / "spool").mkdir(parents=True)
    (stopped.data / "spool" / "torn.jsonl").write_bytes(left)
    receivers = stopped.start()
    assert receivers.gate_says_halt()
    kill = receivers.detail().kill
    assert (kill.cause, kill.mode) == ("unreadable spooled trip", "pause"), "nothing is closed"
    assert "cannot be read" in receivers.log
    assert spooled(receivers) == []


def test_a_kill_that_only_alertmanager_asks_for_does_not_trip_without_a_store_either(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with stalled_store(receivers):
        body = words.webhook(words.kill_alert())
        assert receivers.send("notifications", body).status_code == 503
        assert not receivers.gate_says_halt()
        assert not spooled(receivers)


@pytest.mark.parametrize("firing", [True, False])
def test_without_a_store_a_kill_that_came_and_went_trips_too(
    receivers: Any, words: Any, firing: bool, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    break_store(receivers)
    assert receivers.send("alerts", [words.kill_alert(firing=firing)]).status_code == 503
    assert receivers.gate_says_halt()
    receivers.kill()
    receivers.start()
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1


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
        kill_id = receivers.detail().kill.kill_id
    wait_until(lambda: not spooled(receivers), what="the spool is merged while running")
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert "KILL_SWITCH_TRIGGER_RECORDED" not in receivers.event_types()
    assert receivers.status()["kill_switch"]["kill_id"] == kill_id
    assert receivers.detail().kill.kill_id == kill_id, "what a runtime acted on stays true"


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
    assert receivers.detail().kill.kill_id == kill_id


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
    assert receivers.detail().kill.mode == "immediate"
    assert "KILL_SWITCH_TRIGGER_RECORDED" not in receivers.event_types()


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
