"""Drills on a running service: what the log and the chain tell of them is what happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_policy import load_policy
from risk_policy.contracts.gating import TradingEnvironment
from risk_policy.model.stack import Endpoints
from riskwarden.drill.log import DrillLog
from riskwarden.drill.record import Drill, Notes, Result
from riskwarden.drill.runner import Runner, Running
from riskwarden.drill.scenarios import Scenario
from riskwarden.drill.scenarios.kills import _clear as clearing
from riskwarden.drill.stage import ENTRY, Stage
from riskwarden.stack.layout import Layout

Work = Callable[[Stage, Notes], None]
HALT = {
    "name": "INTRADAY_DRAWDOWN_CRITICAL",
    "risk_id": "intraday_drawdown/main",
    "tier": "critical",
    "severity": "critical",
    "action": "halt_new_trades",
    "account": "main",
}


class Rig:
    """Runs made-up scenarios on a running service."""

    def __init__(self, receivers: Any, folder: Path) -> None:
        self.receivers = receivers
        self.log = DrillLog(folder / "drills")
        layout = Layout(receivers.data)
        layout.secrets.mkdir(exist_ok=True)
        (layout.secrets / "operator_token").write_text("operator-secret\n")
        endpoints = Endpoints(receivers=receivers.url.removeprefix("http://"))
        running = Running(layout, endpoints, TradingEnvironment.PAPER)
        policy = load_policy(receivers.policy, receivers.environ)
        self.runner = Runner(policy, self.log, "olga", lambda _: None, running)

    def run(self, work: Work) -> Drill:
        return self.runner.run("made-up", Scenario("made up", run=work))

    def ended(self) -> str:
        """How the latest drill ended, as the chain tells."""
        (*_, last) = [e for e in self.receivers.chain() if e.event_type == "DRILL_ENDED"]
        return str(last.payload.details["result"])


@pytest.fixture
def rig(receivers: Any, tmp_path: Path) -> Rig:
    return Rig(receivers, tmp_path)


def trip(stage: Stage, _: Notes) -> None:
    assert stage.kill("pause", "a drill")[0] == 200


def test_a_drill_that_breaks_or_is_interrupted_failed_and_says_what_is_left_tripped(
    rig: Rig, wait_until: Callable[..., Any]
) -> None:
    wait_until(rig.receivers.gate_is_open)

    def broken(stage: Stage, notes: Notes) -> None:
        trip(stage, notes)
        raise RuntimeError("and then it broke")

    made = rig.run(broken)
    assert made.result is Result.FAIL
    assert rig.ended() == "FAIL", "all that had to be so by then was so, and that is not enough"
    kill_id = rig.receivers.detail().kills[0].id
    (task,) = made.follow_ups
    assert f"riskwarden clear --kill {kill_id}" in task.what
    assert f"--data {rig.receivers.data}" in task.what

    again = rig.run(trip)
    assert "gate is closed already: kill switch tripped, mode pause: a drill" in again.trouble
    order = {"actor": "olga", "reason": "over", "kill_id": kill_id}
    order["confirmation"] = rig.receivers.call(
        "POST", "/api/v1/system/kill-switch/clear", json=order
    ).json()["confirmation"]
    assert (
        rig.receivers.call("POST", "/api/v1/system/kill-switch/clear", json=order).status_code
        == 200
    )
    wait_until(rig.receivers.gate_is_open)

    def interrupted(stage: Stage, notes: Notes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rig.run(interrupted)
    last = rig.log.read()[-1]
    assert (last.result, last.trouble) == (Result.FAIL, "it was interrupted")
    assert rig.ended() == "FAIL"


def test_what_alerts_hold_and_what_others_tripped_is_neither_a_failure_nor_the_drills_to_end(
    rig: Rig, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(rig.receivers.gate_is_open)
    assert rig.receivers.send("alerts", [words.alert(**HALT)]).status_code == 200

    def there_and_back(stage: Stage, notes: Notes) -> None:
        assert not stage.gate.check(ENTRY).allowed
        trip(stage, notes)
        assert not stage.is_open
        clearing(stage, notes)

    rig.run(there_and_back)
    made = rig.run(there_and_back)  # what was cleared before counts no more
    unmet = [one for one in made.criteria if not one.met]
    assert (unmet, made.trouble, made.follow_ups) == ([], "", ())
    (opened,) = [one for one in made.criteria if "the gate opens again" in one.what]
    assert "INTRADAY_DRAWDOWN_CRITICAL" in opened.evidence, "it is told what is still held"

    def meanwhile(stage: Stage, notes: Notes) -> None:
        trip(stage, notes)
        assert rig.receivers.operator_kill("graceful", "this one is real").status_code == 200
        clearing(stage, notes)

    made = rig.run(meanwhile)
    assert made.result is Result.FAIL
    told = " ".join(one.evidence for one in made.criteria if not one.met)
    assert "something else has asked for the kill switch meanwhile" in told
    assert "the kill switch is tripped (graceful" in made.follow_ups[-1].what
    assert rig.receivers.gate_says_halt()


def test_a_drill_takes_no_number_that_one_had_which_was_never_written_down(tmp_path: Path) -> None:
    log = DrillLog(tmp_path)
    assert log.next_id() == "DRILL-0001"
    (log.runs / "drill-0001").mkdir(parents=True)
    assert log.next_id() == "DRILL-0002"
    shutil.rmtree(log.runs)
    assert log.next_id() == "DRILL-0001"
