"""A store that cannot commit: nothing is promised, and the kill switch acts all the same."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from troubled_store import break_store, spooled


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
    kill = receivers.detail().kills[0]
    assert kill.cause == "DRAWDOWN_EMERGENCY"
    assert "KILL_SWITCH_ACTIVATED" not in receivers.event_types()
    receivers.kill()

    for _ in range(2):
        receivers.start()
        assert receivers.gate_says_halt()
        assert receivers.status()["kill_switch"]["kill_id"] == kill.id
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
    kill_id = receivers.detail().kills[0].id
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
    assert "the gate is closed" in answer.json()["detail"]
    assert receivers.gate_says_halt()
    assert receivers.detail().kills[0].cause == "something is wrong"
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
        assert "held in memory only" in answer.json()["detail"]
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
    assert receivers.detail().kills[0].mode == "pause"
    assert receivers.operator_kill("graceful", "close, but gently").status_code == 503
    assert receivers.detail().kills[0].mode == "graceful"
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


def test_a_full_disk(stopped: Any, words: Any, wait_until: Callable[..., Any]) -> None:
    stopped.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "riskwarden", str(stopped.data)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nobody may mount a small disk here")
    filler = stopped.data / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while stream.write(b"x" * 512):
                pass
        # The log may have room that it uses again: until that is used up, too.
        wait_until(lambda: stopped.send("alerts", [words.alert()]).status_code == 503)

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
    kill = receivers.detail().kills[0]
    assert (kill.cause, kill.mode) == ("unreadable spooled trip", "pause"), "nothing is closed"
    assert "cannot be read" in receivers.log
    assert spooled(receivers) == []


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
