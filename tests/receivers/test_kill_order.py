"""The order beside the gate: it closes readers at once, and is on record once, whoever lives."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import EVERYTHING
from risk_policy.vocabulary import KillMode
from risk_runtime import GateState, Order, Side, TradeGate
from riskwarden.app import application
from riskwarden.offline_kill import trip
from riskwarden.stack.layout import Layout

BUY = Order("BTC-EUR", Side.BUY, 1.0, 100.0)
REDUCE = Order("BTC-EUR", Side.SELL, 1.0, 100.0, position_quantity=1.0)


@pytest.fixture
def run(receivers: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data folder as `riskwarden run` leaves it, with its service running."""
    endpoints = {"receivers": f"127.0.0.1:{receivers.port}"}
    folder = receivers.data
    (folder / "stack.json").write_text(json.dumps({"endpoints": endpoints}))
    (folder / "secrets").mkdir()
    (folder / "secrets" / "operator_token").write_text("operator-secret\n")
    monkeypatch.chdir(folder)
    return receivers


def kill(run: Any, mode: str, reason: str) -> Result:
    words = ["kill", "--data", str(run.data), "--mode", mode, "--reason", reason]
    return CliRunner().invoke(application(words), words, env={"COLUMNS": "400"})


def activations(run: Any) -> list[Any]:
    return [one for one in run.chain() if str(one.event_type).startswith("KILL_SWITCH_")]


def test_any_file_of_that_name_trips_and_is_taken_away_once_it_is_on_record(
    receivers: Any, wait_until: Any
) -> None:
    folder = receivers.data / "gate"
    gate = TradeGate(folder)
    wait_until(receivers.gate_is_open)
    (folder / marker.ORDER_FILE).touch()
    reading = gate.read()
    assert reading.state is GateState.HALTED, "before the receivers have seen it"
    wait_until(lambda: not (folder / marker.ORDER_FILE).exists())
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"], switch["on_record"]) == ("TRIPPED", "immediate", True)
    assert not gate.check(BUY).allowed
    assert gate.check(REDUCE).allowed
    assert "immediate" in (folder / marker.HALTED_FILE).read_text()


def test_a_kill_with_dead_receivers_closes_the_gate_and_is_recorded_when_they_return(
    run: Any, wait_until: Any
) -> None:
    folder = run.data / "gate"
    gate = TradeGate(folder)
    wait_until(lambda: gate.check(BUY).allowed)
    run.kill(signal.SIGKILL)
    first = kill(run, "pause", "the feed looks wrong")
    assert first.exit_code == 0, first.output
    assert "HALT is written" in first.output
    assert not gate.check(BUY).allowed
    second = kill(run, "immediate", "it is wrong")
    assert second.exit_code == 0, second.output
    directive = gate.directive(EVERYTHING)
    assert directive is not None
    assert directive.mode is KillMode.IMMEDIATE
    third = kill(run, "pause", "never mind")
    assert "mode immediate" in third.output, "nothing is loosened"
    detail = contract.read_detail(folder)
    assert detail is not None
    (held,) = detail.kills
    assert held.mode is KillMode.IMMEDIATE

    run.start()
    wait_until(lambda: not (folder / marker.ORDER_FILE).exists())
    switch = run.status()["kill_switch"]
    assert (switch["mode"], switch["on_record"]) == ("immediate", True)
    told = [(one.event_type, one.payload.action_reason) for one in activations(run)]
    assert told == [
        ("KILL_SWITCH_ACTIVATED", "the feed looks wrong"),
        ("KILL_SWITCH_TIGHTENED", "it is wrong"),
        ("KILL_SWITCH_TRIGGER_RECORDED", "never mind"),
    ]
    assert run.verified().ok


def test_a_kill_with_receivers_that_hang_closes_the_gate_and_is_recorded_when_they_go_on(
    run: Any, wait_until: Any
) -> None:
    gate = TradeGate(run.data / "gate")
    wait_until(lambda: gate.check(BUY).allowed)
    run.process.send_signal(signal.SIGSTOP)
    try:
        done = kill(run, "immediate", "nobody answers")
        assert done.exit_code == 0, done.output
        assert "still holds" in done.output
        assert not gate.check(BUY).allowed
        directive = gate.directive(EVERYTHING)
        assert directive is not None
        assert directive.mode is KillMode.IMMEDIATE
    finally:
        run.process.send_signal(signal.SIGCONT)
    wait_until(lambda: run.status()["kill_switch"]["state"] == "TRIPPED")
    wait_until(lambda: not (run.data / "gate" / marker.ORDER_FILE).exists())
    assert not gate.check(BUY).allowed
    (tripped, *_) = activations(run)
    assert tripped.event_type == "KILL_SWITCH_ACTIVATED"
    assert tripped.payload.action_reason == "nobody answers"


def test_an_order_for_less_than_is_in_force_loosens_nothing(
    receivers: Any, wait_until: Any
) -> None:
    folder = receivers.data / "gate"
    receivers.operator_kill("immediate")
    order = marker.KillOrder(id="later", mode=KillMode.PAUSE, at="2026-01-02T03:04:05Z")
    marker.write_order(folder, order)
    wait_until(lambda: not (folder / marker.ORDER_FILE).exists())
    assert receivers.status()["kill_switch"]["mode"] == "immediate"
    assert receivers.event_types()[-1] == "KILL_SWITCH_LOOSENING_REFUSED"


@pytest.mark.parametrize(
    "content", [b"", b"stop it\n", b"\xff\xfe", b'{"id": "a b"}', b"[]", b"x" * 100_000]
)
def test_whatever_stands_in_the_order_it_is_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / marker.ORDER_FILE).write_bytes(content)
    order = marker.read_order(tmp_path)
    assert order is not None
    assert order.mode is None
    assert order == marker.read_order(tmp_path), "the same one whenever it is asked"
    gate = TradeGate(tmp_path)
    assert gate.read().state is GateState.HALTED
    assert not gate.check(BUY).allowed
    assert gate.check(REDUCE).allowed
    marker.withdraw_order(tmp_path, order)
    assert marker.read_order(tmp_path) is None


def test_no_order_is_taken_away_but_the_one_that_was_carried_out(tmp_path: Path) -> None:
    def given(name: str) -> marker.KillOrder:
        return marker.KillOrder(id=name, at="2026-01-02T03:04:05Z")

    marker.write_order(tmp_path, given("new"))
    marker.withdraw_order(tmp_path, given("old"))
    assert marker.read_order(tmp_path) == given("new")


@pytest.mark.parametrize("mode", KillMode)
def test_a_mode_written_by_hand_is_the_mode(tmp_path: Path, mode: KillMode) -> None:
    (tmp_path / marker.ORDER_FILE).write_text(json.dumps({"mode": mode}))
    order = marker.read_order(tmp_path)
    assert order is not None
    assert order.mode is mode
    assert order == marker.read_order(tmp_path)


@pytest.mark.parametrize("at", [-(10**12), 10**12])
def test_an_order_of_any_time_closes_the_gate(at: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # whose files may be of any time
        path = Path(folder) / marker.ORDER_FILE
        path.touch()
        os.utime(path, (at, at))
        assert not TradeGate(Path(folder)).check(BUY).allowed


def test_what_was_tripped_for_an_order_is_obeyed_though_the_order_still_stands(
    tmp_path: Path,
) -> None:
    (tmp_path / marker.ORDER_FILE).touch()
    order = marker.read_order(tmp_path)
    assert order is not None
    kill = Kill(id=order.id, mode=KillMode.IMMEDIATE, cause="c", level="operator", since=order.at)
    detail = contract.GateDetail(
        version=1, halted=True, restrictions=(kill,), policy_digest="", written_at=order.at
    )
    contract.write_detail(tmp_path, detail)
    directive = TradeGate(tmp_path).directive(EVERYTHING)
    assert directive is not None
    assert directive.mode is KillMode.IMMEDIATE


def test_no_order_waits_in_the_spool_to_trip_at_a_later_start(run: Any, wait_until: Any) -> None:
    gate = TradeGate(run.data / "gate")
    wait_until(lambda: gate.check(BUY).allowed)
    run.process.send_signal(signal.SIGSTOP)
    try:  # whoever sees no answer repeats it; the second order stands, the first is kept
        for reason in ("nobody answers", "still nobody"):
            trip(Layout(run.data), KillMode.IMMEDIATE, reason, "desk")
    finally:
        run.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not (run.data / "gate" / marker.ORDER_FILE).exists())
    wait_until(lambda: not list((run.data / "spool").glob("*.jsonl")))
    assert {one.payload.action_reason for one in activations(run)} == {
        "nobody answers",
        "still nobody",
    }


@pytest.mark.parametrize("token", ["", "of another stack"])
def test_who_may_write_the_gates_folder_needs_no_token(
    run: Any, wait_until: Any, token: str
) -> None:
    path = run.data / "secrets" / "operator_token"
    path.write_text(token) if token else path.unlink()
    done = kill(run, "pause", "the tokens are elsewhere")
    assert done.exit_code == 0, done.output
    wait_until(lambda: run.status()["kill_switch"]["state"] == "TRIPPED")
    assert {one.payload.action_reason for one in activations(run)} == {"the tokens are elsewhere"}


def test_an_order_that_cannot_be_taken_away_keeps_the_gate_closed_and_is_named(
    receivers: Any, wait_until: Any
) -> None:
    order = receivers.data / "gate" / marker.ORDER_FILE
    wait_until(receivers.gate_is_open)
    order.mkdir()
    (order / "kept").touch()

    def problems() -> str:
        return str(receivers.status()["problems"])

    wait_until(lambda: f"{order} was carried out and cannot be taken away" in problems())
    cleared(receivers)
    gate = receivers.status()["gate"]
    assert (gate["open"], gate["halted"]) == (False, False)
    assert f"the order {order} stands there" in gate["lease_withheld"]
    order.rename(receivers.data / "taken away")
    wait_until(receivers.gate_is_open)
    wait_until(lambda: not receivers.status()["problems"])


def test_an_order_with_the_id_of_a_cleared_one_trips(receivers: Any, wait_until: Any) -> None:
    folder = receivers.data / "gate"
    again = marker.KillOrder(id="template", mode=KillMode.PAUSE, at="2026-01-02T03:04:05Z")
    for _ in range(2):
        marker.write_order(folder, again)
        wait_until(lambda: not (folder / marker.ORDER_FILE).exists())
        assert receivers.status()["kill_switch"]["mode"] == "pause"
        cleared(receivers)


def cleared(receivers: Any) -> None:
    body = {
        "kill_id": receivers.status()["kill_switch"]["kill_id"],
        "actor": "desk",
        "reason": "looked at it",
    }
    asked = receivers.call("POST", "/api/v1/system/kill-switch/clear", json=body)
    assert asked.status_code == 200, asked.text
    confirmed = {**body, "confirmation": asked.json()["confirmation"]}
    assert (
        receivers.call("POST", "/api/v1/system/kill-switch/clear", json=confirmed).status_code
        == 200
    )
