"""kill -9 at any moment: what was answered is on record once, and the gate agrees with it."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from risk_policy.contracts import gate as contract

#: The real service, except that it dies where the gate would be closed: after the commit.
DIES_BEFORE_THE_GATE = """
import os, sys
import risk_receivers.core as core
from risk_receivers.__main__ import main
from risk_receivers.gate.publisher import GatePublisher

class Dies(GatePublisher):
    def shut(self, state):
        if state.is_tripped:
            os._exit(9)
        super().shut(state)

core.GatePublisher = Dies
sys.exit(main(sys.argv[1:]))
"""


class Stream:
    """Sends alerts from several threads and notes which were answered with a 2xx."""

    def __init__(self, receivers: Any, words: Any, trip_after: int | None) -> None:
        self._receivers = receivers
        self._words = words
        self._trip_after = trip_after
        self._lock = threading.Lock()
        self._next = 0
        self.answered: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        headers = {"Authorization": "Bearer alert-feed-secret"}
        url = f"{self._receivers.url}/api/v2/alerts"
        with httpx.Client(timeout=10, trust_env=False, headers=headers) as client:
            while True:
                with self._lock:
                    number, self._next = self._next, self._next + 1
                name = f"stream/{number}"
                alert = (
                    self._words.kill_alert(risk_id=name)
                    if number == self._trip_after
                    else self._words.alert(risk_id=name)
                )
                try:
                    answer = client.post(url, json=[alert, alert])
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.answered.append(name)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_answered_is_on_record_once_whenever_the_service_is_killed(
    stopped: Any, words: Any, seed: int, wait_until: Callable[..., Any]
) -> None:
    chance = random.Random(seed)
    receivers = stopped.start()
    trip_after = chance.randrange(5, 60) if seed else None
    enough = chance.randrange(3, 60)
    with Stream(receivers, words, trip_after) as stream:
        wait_until(lambda: len(stream.answered) > enough)
        receivers.kill()
    assert len(stream.answered) > 3

    receivers.start()
    recorded = [row[0] for row in receivers.rows("SELECT risk_id FROM incident")]
    assert len(recorded) == len(set(recorded))
    assert set(stream.answered) <= set(recorded)
    created = [
        event.payload.details["labels"]["risk_id"]
        for event in receivers.chain()
        if event.event_type == "ALERT_CREATED"
    ]
    assert sorted(created) == sorted(recorded)
    verification = receivers.verified()
    assert verification.ok, verification.problems
    (*_, start) = [e for e in receivers.chain() if e.event_type == "SERVICE_STARTED"]
    assert start.payload.details["end_is_proven"] is True, "a crash is no false alarm"
    tripped = receivers.event_types().count("KILL_SWITCH_ACTIVATED")
    assert tripped == (f"stream/{trip_after}" in recorded)
    assert receivers.gate_says_halt() == bool(tripped)
    if not tripped:
        wait_until(receivers.gate_is_open)


def test_a_service_killed_between_record_and_gate_closes_the_gate_before_it_serves_again(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start(program=("-c", DIES_BEFORE_THE_GATE))
    wait_until(receivers.gate_is_open)
    with pytest.raises(httpx.TransportError):
        receivers.send("alerts", [words.kill_alert()])
    assert receivers.process.wait(20) == 9
    assert receivers.event_types()[-1] == "KILL_SWITCH_ACTIVATED", "it died after the record"
    assert not receivers.gate_says_halt(), "it died before the gate"
    wait_until(lambda: not receivers.gate_is_open(), what="the lease runs out by itself")

    seen_open = threading.Event()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if receivers.gate_is_open():
                seen_open.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        receivers.start()
        assert receivers.gate_says_halt()
    finally:
        done.set()
        watcher.join()
    assert not seen_open.is_set(), "the gate was open for a moment while the service came up"
    kill = receivers.detail().kills[0]
    assert kill.cause == "DRAWDOWN_EMERGENCY"
    receivers.send("alerts", [words.kill_alert()])
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1
    assert receivers.status()["kill_switch"]["kill_id"] == kill.id
    assert receivers.status()["kill_switch"]["gate_closed_at"]
    assert receivers.verified().ok


def test_a_kill_of_one_symbol_on_record_is_at_the_gate_before_anybody_else_is_let_through(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start(program=("-c", DIES_BEFORE_THE_GATE))
    wait_until(receivers.gate_is_open)
    body = {"mode": "pause", "reason": "depeg", "actor": "ann", "scope": "symbol=BTC-EUR"}
    with pytest.raises(httpx.TransportError):
        receivers.call("POST", "/api/v1/kill", json=body)
    assert receivers.process.wait(20) == 9
    receivers.start()
    wait_until(receivers.gate_is_open)
    (kill,) = receivers.detail().kills
    assert (str(kill.scope), kill.mode) == ("symbol=BTC-EUR", "pause")
    assert not receivers.gate_says_halt()


def test_the_lease_of_a_stopped_or_killed_service_runs_out_by_itself(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    os.kill(receivers.process.pid, signal.SIGSTOP)
    wait_until(lambda: not receivers.gate_is_open(), 5)
    assert not receivers.gate_says_halt()
    os.kill(receivers.process.pid, signal.SIGCONT)
    wait_until(receivers.gate_is_open)
    receivers.kill()
    wait_until(lambda: not receivers.gate_is_open(), 5)


def test_a_kill_of_the_database_does_not_untrip_what_the_gate_says(
    receivers: Any, tmp_path: Path
) -> None:
    kill_id = receivers.operator_kill("graceful").json()["kill_id"]
    receivers.stop()
    for path in receivers.database.parent.iterdir():
        path.unlink()
    receivers.start()
    assert receivers.gate_says_halt()
    switch = receivers.status()["kill_switch"]
    assert (switch["kill_id"], switch["mode"]) == (kill_id, "graceful")
    assert "KILL_SWITCH_ACTIVATED" in receivers.event_types()


def test_a_halt_whose_reason_is_lost_is_still_a_trip_after_a_restart(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    receivers.operator_kill("graceful")
    receivers.kill()
    for path in receivers.database.parent.iterdir():
        path.unlink()
    (receivers.data / "gate" / contract.DETAIL_FILE).write_text("{ torn")
    receivers.start()
    assert receivers.gate_says_halt()
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"]) == ("TRIPPED", "pause"), "nothing is closed on a guess"
    assert "HALT found at the gate" in switch["cause"]
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 1


def test_a_stop_answers_what_is_in_flight_and_withdraws_the_lease(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with Stream(receivers, words, None) as stream:
        wait_until(lambda: len(stream.answered) > 20)
        code = receivers.stop()
    assert code == 0
    assert not receivers.gate_is_open()
    recorded = {row[0] for row in receivers.rows("SELECT risk_id FROM incident")}
    assert set(stream.answered) == recorded, "nothing was recorded and left unanswered"
    assert "Traceback" not in receivers.log


def test_a_stop_withdraws_the_lease_before_it_waits_for_anybody(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    text = stopped.policy.read_text()
    # A lease that cannot run out meanwhile, and a sender that could be waited for as long.
    text = text.replace("lease_seconds = 2", "lease_seconds = 9")
    stopped.policy.write_text(text + "body_timeout_seconds = 60\n")
    receivers = stopped.start()
    wait_until(receivers.gate_is_open)
    with socket.create_connection(("127.0.0.1", receivers.port), 10) as peer:
        peer.sendall(
            b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            b"Authorization: Bearer alert-feed-secret\r\n\r\n["
        )
        receivers.hear_watchdog()  # by now the other request is being answered, too
        receivers.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not receivers.gate_is_open(), 3)
        assert receivers.process.poll() is None, "the sender is still waited for"
    assert receivers.process.wait(20) == 0
    assert not receivers.gate_says_halt()


def test_a_stop_and_a_start_change_nothing_on_record(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.kill_alert()])
    before = receivers.status()["kill_switch"]
    version = receivers.detail().version
    assert receivers.stop() == 0
    data = (receivers.data / "gate" / contract.LEASE_FILE).read_bytes()
    assert data[:8] == bytes(8), "HALT outlives the service"
    receivers.start()
    after = receivers.status()["kill_switch"]
    assert {**after, "gate_closed_at": None} == {**before, "gate_closed_at": None}
    assert receivers.detail().version == version
    assert receivers.event_types()[-1] == "SERVICE_STARTED"


def test_the_spool_stays_empty_while_all_is_well(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.kill_alert()])
    (slots,) = (receivers.data / "spool").iterdir()
    assert not any(slots.read_bytes())


def without_its_log(receivers: Any) -> None:
    """A crash after which what stood in the write-ahead log is gone."""
    receivers.kill()
    for suffix in ("-wal", "-shm"):
        receivers.database.with_name(receivers.database.name + suffix).unlink()


def test_a_lost_write_ahead_log_is_noticed(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert(risk_id="a/1")])
    receivers.stop()
    receivers.start()
    for number in range(5):
        receivers.send("alerts", [words.alert(risk_id=f"b/{number}")])
    size, signed = "risk_audit_chain_size", "risk_audit_signed_size"
    wait_until(lambda: receivers.metric(signed) == receivers.metric(size), what="all is signed")
    without_its_log(receivers)
    found = receivers.verified()
    assert not found.ok
    assert "its end was cut off" in str(found.problems[0])
    assert receivers.spawn().wait(20) == 2
    assert "records were lost" in receivers.log.splitlines()[-1]
    assert "move audit.db.head away" in receivers.log.splitlines()[-1]
    assert "signing.key.state" in receivers.log.splitlines()[-1]
    receivers.database.with_name("audit.db.head").unlink()
    receivers.start()
    (*_, start) = [e for e in receivers.chain() if e.event_type == "SERVICE_STARTED"]
    assert start.payload.details["end_is_proven"] is False, "that it was moved away is on record"
    # Whether the chain is as long again by now is a matter of moments.
    problems = str(receivers.verified().problems)
    remembered = ("its end was cut off", "was signed over other records")
    assert any(words in problems for words in remembered), "the signer still remembers"
    receivers.stop()
    receivers.database.with_name("signing.key.state").unlink()
    receivers.start()
    wait_until(lambda: receivers.metric(signed) == receivers.metric(size), what="signed again")
    assert receivers.verified().ok, receivers.verified().problems
