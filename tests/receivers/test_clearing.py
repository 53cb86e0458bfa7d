"""Clearing: nobody opens the gate by one step, by a stale one, or past what still fires."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from typer.testing import CliRunner, Result

from risk_receivers.recorder import ACT_AFTER_SECONDS
from riskwarden.app import application

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OPERATOR_TOKEN, APPROVER_TOKEN = "operator-secret", "approver-secret"


def ask(receivers: Any, what: str = "clear", **body: str) -> Any:
    return receivers.call(
        "POST",
        f"/api/v1/system/kill-switch/{what}",
        json={"actor": "ann", "reason": "it is over", **body},
    )


def kinds(receivers: Any) -> list[str]:
    return [kind.removeprefix("KILL_SWITCH_") for kind in receivers.event_types() if "KILL" in kind]


def test_a_kill_is_cleared_in_two_steps_and_the_gate_opens(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    given = {"mode": "immediate", "reason": "a test", "actor": "ann", "id": "t-1", "kill_id": "k-1"}
    for _ in range(2):  # as by two that were told of it
        kill_id = receivers.call("POST", "/api/v1/kill", json=given).json()["kill_id"]
    assert kill_id == "k-1"
    assert receivers.gate_says_halt()
    first = ask(receivers, kill_id=kill_id).json()
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["state"] == "TRIPPED"
    code = first["confirmation"]
    for wrong in ({"reason": "another"}, {"actor": "bob"}, {"kill_id": "x"}):
        body = {"kill_id": kill_id, "confirmation": code, **wrong}
        assert ask(receivers, **body).status_code == 409
    assert receivers.gate_says_halt()
    done = ask(receivers, kill_id=kill_id, confirmation=code)
    assert done.status_code == 200, done.text
    wait_until(receivers.gate_is_open)
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    assert (receivers.detail().halted, receivers.detail().kills) == (False, ())
    assert ask(receivers, kill_id=kill_id, confirmation=code).status_code == 409, "it was used"
    late = receivers.call("POST", "/api/v1/kill", json=given)
    assert (late.status_code, "was cleared" in late.text) == (409, True), late.text
    assert kinds(receivers) == [
        "ACTIVATED", "LOOSENING_ASKED", *["LOOSENING_REFUSED"] * 3, "CLEARED", "LOOSENING_REFUSED",
    ]  # fmt: skip
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_CLEARED"]
    assert (event.payload.actor_id, event.payload.action_reason) == ("ann", "it is over")
    assert event.payload.details["address"] == "127.0.0.1"
    assert "KILL SWITCH CLEARED" in str(receivers.rows("SELECT body FROM message"))

    receivers.kill()
    receivers.start()
    wait_until(receivers.gate_is_open)
    assert receivers.verified().ok
    # Another one by its name: what is answered 200 closes the gate.
    again = receivers.call("POST", "/api/v1/kill", json={**given, "id": "t-2"}).json()
    assert (again["already_tripped"], again["kill_id"] != kill_id) == (False, True)
    assert receivers.gate_says_halt()


def test_what_still_fires_is_named_and_keeps_it_tripped_until_it_is_over(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.kill_alert()])
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    refused = ask(receivers, kill_id=kill_id)
    assert refused.status_code == 409
    said = (
        "still firing, so that it would trip again at once: DRAWDOWN_EMERGENCY drawdown/main. End"
    )
    assert refused.json()["detail"].startswith(said)
    over = words.kill_alert(firing=False)
    receivers.send("alerts", [over])
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    receivers.send("alerts", [words.kill_alert(risk_id="drawdown/other")])
    changed = ask(receivers, kill_id=kill_id, confirmation=code)
    assert (changed.status_code, receivers.gate_says_halt()) == (409, True)
    receivers.send("alerts", [words.kill_alert(risk_id="drawdown/other", firing=False)])
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    assert ask(receivers, kill_id=kill_id, confirmation=code).status_code == 200
    wait_until(receivers.gate_is_open)
    # Prometheus repeats what is over for a quarter of an hour.
    receivers.send("alerts", [over])
    assert not receivers.gate_says_halt()
    receivers.send("alerts", [words.kill_alert()])
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["kill_id"] != kill_id


def test_nobody_clears_blindly_nor_without_the_right_token(stopped: Any) -> None:
    receivers = stopped.start(prometheus=False)
    kill_id = receivers.operator_kill("pause").json()["kill_id"]
    blind = ask(receivers, kill_id=kill_id)
    assert blind.status_code == 409
    assert "the Watchdog has not arrived" in blind.json()["detail"]
    for what in ("clear", "disarm", "arm"):
        body = {"actor": "eve", "reason": "x"}
        path = f"/api/v1/system/kill-switch/{what}"
        assert receivers.call("POST", path, token="runtime-secret", json=body).status_code == 403
        assert receivers.call("POST", path, json={}).status_code == 400
    receivers.stop()
    assert "ACCESS_REFUSED" in receivers.event_types()


def test_a_disarmed_switch_trips_for_people_alone_and_for_what_fires_once_it_is_armed(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    code = ask(receivers, "disarm").json()["confirmation"]
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    assert ask(receivers, "disarm", confirmation=code).status_code == 200
    assert receivers.status()["kill_switch"]["state"] == "DISARMED"
    assert receivers.metric("risk_kill_switch_armed") == 0
    assert receivers.metric("risk_kill_switch_tripped") == 0
    receivers.send("alerts", [words.kill_alert()])
    assert not receivers.gate_says_halt()
    receivers.kill()
    receivers.start()
    assert receivers.status()["kill_switch"]["state"] == "DISARMED"
    assert ask(receivers, "arm").status_code == 200
    assert ask(receivers, "arm").status_code == 409
    receivers.send("alerts", [words.kill_alert()])
    assert receivers.gate_says_halt()
    assert kinds(receivers) == [
        "LOOSENING_ASKED", "DISARMED", "TRIGGER_RECORDED",
        "ARMED", "LOOSENING_REFUSED", "ACTIVATED",
    ]  # fmt: skip
    assert receivers.verified().ok


def test_no_clearing_overtakes_a_trip_that_the_store_could_not_take_yet(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    kill_id = receivers.operator_kill("pause").json()["kill_id"]
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    with closing(sqlite3.connect(receivers.database)) as other, ThreadPoolExecutor(2) as pool:
        other.execute("BEGIN IMMEDIATE")
        confirming = pool.submit(ask, receivers, kill_id=kill_id, confirmation=code)
        tripping = pool.submit(receivers.send, "alerts", [words.kill_alert()])
        wait_until(lambda: receivers.detail().kills[0].mode == "immediate")
        other.rollback()
        assert confirming.result().status_code != 200
        tripping.result()
    wait_until(lambda: receivers.status()["kill_switch"]["on_record"])
    switch = receivers.status()["kill_switch"]
    assert (switch["kill_id"], switch["mode"]) == (kill_id, "immediate")
    assert receivers.gate_says_halt()
    assert "CLEARED" not in kinds(receivers)


def test_late_news_of_what_was_cleared_trips_nothing_however_slow_the_store_is(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.kill_alert()])
    over = words.kill_alert(firing=False)
    receivers.send("alerts", [over])
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    assert ask(receivers, kill_id=kill_id, confirmation=code).status_code == 200
    wait_until(receivers.gate_is_open)
    # Prometheus repeats what is over for a quarter of an hour.
    with closing(sqlite3.connect(receivers.database)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        repeating = pool.submit(receivers.send, "alerts", [over])
        threading.Event().wait(2 * ACT_AFTER_SECONDS)
        assert not repeating.done()
        assert not receivers.gate_says_halt()
        other.rollback()
        repeating.result()
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    assert receivers.detail().kills == ()
    # What began since then is another matter: it did fire, even if it is over by now.
    now = datetime.now(UTC)
    with closing(sqlite3.connect(receivers.database)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        news = words.kill_alert(firing=False, starts=now, ends=now)
        telling = pool.submit(receivers.send, "alerts", [news])
        wait_until(receivers.gate_says_halt)
        other.rollback()
        telling.result()


def test_where_the_policy_asks_for_them_it_takes_a_second_person_and_a_code_that_is_good_once(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    text = stopped.policy.read_text()
    stopped.policy.write_text(
        f"{text}[alerting.kill_switch]\nneeds_second_person = true\nneeds_totp = true\n"
    )
    stopped.environ["RISKWARDEN_APPROVER_TOKEN"] = APPROVER_TOKEN
    stopped.environ["RISKWARDEN_TOTP_SECRET"] = TOTP
    receivers = stopped.start()
    kill_id = receivers.operator_kill("pause").json()["kill_id"]

    def confirm(code: str, token: str = APPROVER_TOKEN, **more: str) -> int:
        body = {"actor": "bob", "reason": "it is over", "kill_id": kill_id, "confirmation": code}
        answer = receivers.call(
            "POST", "/api/v1/system/kill-switch/clear", token=token, json={**body, **more}
        )
        assert receivers.gate_says_halt() == (answer.status_code != 200)
        return int(answer.status_code)

    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    shown = pyotp.TOTP(TOTP).now()
    assert confirm(code, OPERATOR_TOKEN, totp=shown) == 409
    assert confirm(code, actor="ann", totp=shown) == 409
    assert confirm(code) == 409
    assert confirm(code, totp="000000" if shown != "000000" else "111111") == 409
    assert confirm(code, totp=shown) == 200
    wait_until(receivers.gate_is_open)
    kill_id = receivers.operator_kill("pause").json()["kill_id"]
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    assert confirm(code, totp=shown) == 409, "it was used"
    (cleared,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_CLEARED"]
    assert cleared.payload.details["token"] == "approver_token"
    refused = [e.payload.action_taken for e in receivers.chain() if "REFUSED" in e.event_type]
    assert refused == ["refused"] * 5
    everything = receivers.log + str(receivers.rows("SELECT payload FROM audit_payload"))
    assert TOTP not in everything
    assert shown not in everything


#: The real service, except that it dies once a clearing is on record, before the gate hears of it.
DIES_BEFORE_IT_OPENS = """
import os, sys
import risk_receivers.core as core
from risk_receivers.__main__ import main
from risk_receivers.gate.publisher import GatePublisher

class Dies(GatePublisher):
    def release(self, state):
        os._exit(9)

core.GatePublisher = Dies
sys.exit(main(sys.argv[1:]))
"""


def test_a_crash_between_the_record_of_a_clearing_and_the_gate_clears_it_at_the_next_start(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = stopped.start(program=("-c", DIES_BEFORE_IT_OPENS))
    kill_id = receivers.operator_kill("immediate").json()["kill_id"]
    code = ask(receivers, kill_id=kill_id).json()["confirmation"]
    with pytest.raises(httpx.TransportError):
        ask(receivers, kill_id=kill_id, confirmation=code)
    assert receivers.process.wait(20) == 9
    assert receivers.gate_says_halt()
    receivers.start()
    wait_until(receivers.gate_is_open)
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    assert "ACTIVATED" not in kinds(receivers)[1:]


#: The real service, except that its store takes a second for what somebody confirms.
CONFIRMS_SLOWLY = """
import os, pathlib, sys, time
from risk_receivers.__main__ import main
from risk_receivers.kill.loosening import Loosening

confirm = Loosening.confirm

def slowly(self, *args, **kwargs):
    change = confirm(self, *args, **kwargs)
    pathlib.Path(os.environ["CONFIRMED"]).touch()
    time.sleep(1)
    return change

Loosening.confirm = slowly
sys.exit(main(sys.argv[1:]))
"""


def test_what_closed_the_gate_before_a_slow_store_disarmed_it_is_on_record_and_can_be_cleared(
    stopped: Any, words: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    confirmed = tmp_path / "confirmed"
    stopped.environ["CONFIRMED"] = str(confirmed)
    receivers = stopped.start(program=("-c", CONFIRMS_SLOWLY))
    code = ask(receivers, "disarm").json()["confirmation"]
    with ThreadPoolExecutor(1) as pool:
        disarming = pool.submit(ask, receivers, "disarm", confirmation=code)
        wait_until(confirmed.exists)
        receivers.send("alerts", [words.kill_alert()])
        assert disarming.result().status_code == 200
    assert receivers.gate_says_halt()
    wait_until(lambda: receivers.status()["kill_switch"]["on_record"])
    switch = receivers.status()["kill_switch"]
    assert switch["state"] == "TRIPPED"
    cleared = {"kill_id": switch["kill_id"]}

    def is_over() -> Any:
        # Prometheus repeats it; the first time nobody had heard the Watchdog while the store slept.
        receivers.send("alerts", [words.kill_alert(firing=False)])
        return ask(receivers, **cleared).json().get("confirmation")

    code = wait_until(is_over)
    assert ask(receivers, **cleared, confirmation=code).status_code == 200
    wait_until(receivers.gate_is_open)


# -- the commands ------------------------------------------------------------------------------


def riskwarden(*arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(application(given), given)


def test_the_commands_say_what_the_second_step_is(
    receivers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    where = ("--receivers", receivers.url)
    nothing = riskwarden("clear", "--reason", "x", *where)
    assert (nothing.exit_code, "not tripped" in nothing.stderr) == (1, True)
    riskwarden("kill", "--mode", "pause", "--reason", "a test", *where)
    first = riskwarden("clear", "--reason", "it's over [now]", *where)
    assert first.exit_code == 0, first.output
    assert "TRIPPED in mode pause" in first.stdout
    assert receivers.gate_says_halt()
    (command,) = re.findall(r"^  riskwarden (.*)$", first.stdout, re.MULTILINE)
    done = riskwarden(*shlex.split(command))
    assert done.exit_code == 0, done.output
    wait_until(receivers.gate_is_open)
    first = riskwarden("disarm", "--reason", "tests", *where)
    (command,) = re.findall(r"^  riskwarden (.*)$", first.stdout, re.MULTILINE)
    assert riskwarden(*shlex.split(command)).exit_code == 0
    shown = riskwarden("status", *where).stdout
    assert "DISARMED" in shown
    assert json.loads(riskwarden("status", "--json", *where).stdout)["gate"]["halted"] is False
    assert riskwarden("arm", "--reason", "done", *where).exit_code == 0
