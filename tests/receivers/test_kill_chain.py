"""The chain has the last word about the kill switch: what is removed from its table comes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.vocabulary import KillMode


def tamper(receivers: Any, *statements: str) -> None:
    with closing(sqlite3.connect(receivers.database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def problems(receivers: Any) -> str:
    return " ".join(str(problem) for problem in receivers.verified().problems)


@pytest.mark.parametrize("statement", ["DELETE FROM kill_event", "DROP TABLE kill_event"])
@pytest.mark.parametrize("gate_too", [True, False])
def test_a_kill_that_was_deleted_is_in_force_again(
    receivers: Any, words: Any, statement: str, gate_too: bool
) -> None:
    receivers.operator_kill("pause")
    kill_id = receivers.operator_kill("graceful").json()["kill_id"]
    receivers.send("alerts", [words.alert()])
    assert receivers.verified().ok
    receivers.stop()
    tamper(receivers, statement)
    if gate_too:
        for path in (receivers.data / "gate").iterdir():
            path.unlink()
    assert "removed from the kill switch's table" in problems(receivers)
    receivers.start()
    assert receivers.gate_says_halt()
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["kill_id"], switch["mode"]) == ("TRIPPED", kill_id, "graceful")
    kinds = [kind for kind in receivers.event_types() if kind.startswith("KILL_SWITCH")]
    assert kinds == ["KILL_SWITCH_ACTIVATED", "KILL_SWITCH_TIGHTENED", "KILL_SWITCH_RESTORED"]
    assert receivers.metric("risk_audit_chain_intact") == 0
    assert "TAMPERED" in str(receivers.rows("SELECT body FROM message"))
    assert receivers.verified().ok
    receivers.stop()
    receivers.start()
    assert receivers.event_types().count("KILL_SWITCH_RESTORED") == 1, "it is mended for good"
    assert receivers.metric("risk_audit_chain_intact") == 1


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ("UPDATE kill_event SET mode = 'pause'", "immediate"),
        ("UPDATE kill_event SET kind = 'FLAT_CONFIRMED', mode = NULL", "immediate"),
        ("UPDATE kill_event SET cause = 'nothing'", "immediate"),
        ("UPDATE kill_event SET audit_seq = 1", "immediate"),
    ],
)
def test_a_kill_that_was_changed_is_what_the_chain_tells(
    receivers: Any, change: str, mode: str
) -> None:
    receivers.operator_kill("immediate")
    receivers.stop()
    tamper(receivers, change)
    (receivers.data / "gate" / contract.DETAIL_FILE).unlink()
    assert "kill switch's table" in problems(receivers)
    receivers.start()
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"], switch["cause"]) == ("TRIPPED", mode, "a test")
    assert receivers.verified().ok


def test_who_was_flat_and_who_was_not_is_known_after_the_rows_were_deleted(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.kill_alert(firing=False, account="third")])
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    flat = {"id": "flat-main", "kind": "flat_confirmed", "account": "main", "kill_id": kill_id}
    body = {"reports": [{**flat, "at": "2026-01-01T00:00:00Z"}]}
    receivers.call("POST", "/api/v1/runtime/reports", token="runtime-secret", json=body)
    before = receivers.status()["kill_switch"]
    assert (before["state"], before["waiting_for_accounts"]) == ("CLOSING", ["third"])
    receivers.stop()
    tamper(receivers, "DELETE FROM kill_event")
    receivers.start()
    assert {**receivers.status()["kill_switch"], "gate_closed_at": 0} == {
        **before,
        "gate_closed_at": 0,
    }


def test_a_trip_that_was_forged_stays_in_force_and_is_told(receivers: Any) -> None:
    receivers.stop()
    tamper(
        receivers,
        "INSERT INTO kill_event (kind, kill_id, at, trigger_key, mode, cause, level, audit_seq) "
        "VALUES ('TRIPPED', 'k', '2026-01-01T00:00:00+00:00', 'x', 'graceful', 'c', 'l', 99)",
    )
    assert "record 99 does not tell" in problems(receivers)
    receivers.start()
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["mode"] == "graceful"
    assert receivers.verified().ok


def test_a_trip_whose_payload_is_gone_halts_and_closes_nothing(receivers: Any, words: Any) -> None:
    receivers.operator_kill("immediate")
    receivers.send("alerts", [words.alert(risk_id=f"{number}/main") for number in range(3)])
    receivers.stop()
    tamper(
        receivers,
        "DELETE FROM kill_event",
        "UPDATE audit_payload SET payload = NULL, salt = NULL WHERE seq = 3",
    )
    (receivers.data / "gate" / contract.DETAIL_FILE).unlink()
    receivers.start()
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"]) == ("TRIPPED", "pause")


def test_the_gate_and_the_record_are_adopted_in_the_tighter_of_both_modes(receivers: Any) -> None:
    kill_id = receivers.operator_kill("pause").json()["kill_id"]
    detail = receivers.detail()
    receivers.stop()
    tighter = detail.restrictions[0].model_copy(update={"mode": KillMode.IMMEDIATE})
    contract.write_detail(
        receivers.data / "gate", detail.model_copy(update={"restrictions": (tighter,)})
    )
    receivers.start()
    switch = receivers.status()["kill_switch"]
    assert (switch["kill_id"], switch["mode"]) == (kill_id, "immediate")
    assert "KILL_SWITCH_TIGHTENED" in receivers.event_types()
    assert receivers.detail().kills[0].mode == "immediate"


def cleared(receivers: Any, kill_id: str) -> None:
    body = {"actor": "ann", "reason": "it is over", "kill_id": kill_id}
    answer = receivers.call("POST", "/api/v1/system/kill-switch/clear", json=body).json()
    body["confirmation"] = answer["confirmation"]
    assert receivers.call("POST", "/api/v1/system/kill-switch/clear", json=body).status_code == 200


@pytest.mark.parametrize(
    "statement", ["DELETE FROM kill_event", "DELETE FROM kill_event WHERE kind = 'CLEARED'"]
)
def test_what_the_chain_tells_was_cleared_stays_so(receivers: Any, statement: str) -> None:
    cleared(receivers, receivers.operator_kill("immediate").json()["kill_id"])
    receivers.stop()
    tamper(receivers, statement)
    assert "removed from the kill switch's table" in problems(receivers)
    receivers.start()
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    assert not receivers.gate_says_halt()
    assert receivers.verified().ok


def test_a_clearing_that_nobody_ordered_clears_nothing(receivers: Any) -> None:
    kill_id = receivers.operator_kill("graceful").json()["kill_id"]
    receivers.stop()
    tamper(
        receivers,
        "INSERT INTO kill_event (kind, kill_id, at, trigger_key, mode, cause, level, audit_seq) "
        "SELECT 'CLEARED', kill_id, at, NULL, NULL, '', '', 99 FROM kill_event",
    )
    assert "record 99 does not tell" in problems(receivers)
    receivers.start()
    assert receivers.gate_says_halt()
    switch = receivers.status()["kill_switch"]
    assert (switch["kill_id"], switch["mode"]) == (kill_id, "graceful")
