"""`riskwarden drill`: what needs no stack is run here, and what is written down of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from risk_policy import default_policy_path, load_policy
from riskwarden.app import application
from riskwarden.drill.log import JSON_FILE, MARKDOWN_FILE, DrillLog
from riskwarden.drill.record import Notes
from riskwarden.drill.record import Result as Outcome
from riskwarden.drill.runner import Runner
from riskwarden.drill.scenarios import SCENARIOS, Scenario

ALONE = [name for name, scenario in SCENARIOS.items() if scenario.alone]


def drill(*arguments: str) -> Result:
    words = ["drill", *arguments]
    return CliRunner().invoke(application(words), words, env={"COLUMNS": "200"})


def test_every_scenario_that_needs_no_stack_passes_and_is_written_down(tmp_path: Path) -> None:
    done = drill("run", *ALONE, "--log", str(tmp_path))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / JSON_FILE).read_text().splitlines()
    assert [json.loads(line)["scenario"] for line in lines] == ALONE
    told = (tmp_path / MARKDOWN_FILE).read_text()
    assert f"- drills: {len(ALONE)}" in told
    assert f"- PASS: {len(ALONE)}" in told
    for heading in ("Preconditions", "Steps", "Success criteria", "Operator", "Date (UTC)"):
        assert heading in told
    again = drill("log", "--log", str(tmp_path))
    assert f"{len(ALONE)} PASS, 0 FAIL" in again.output


def test_every_scenario_is_listed() -> None:
    told = drill("list").output
    assert all(name in told for name in SCENARIOS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["run"], "--all"), (["run", "kill-all"], "no such scenario; there are order-breach")],
)
def test_what_cannot_be_run_is_told_with_what_can(arguments: list[str], told: str) -> None:
    done = drill(*arguments)
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def run(folder: Path, work: Any) -> Any:
    policy = load_policy(default_policy_path(), {})
    runner = Runner(policy, DrillLog(folder), "olga", lambda _: None)
    return runner.run("made-up", Scenario("made up", alone=work))


def unmet(_: object, notes: Notes) -> None:
    notes.expect("the sky is green", met=False, evidence="it is blue")


def broken(_: object, notes: Notes) -> None:
    notes.expect("it begins", met=True, evidence="it did")
    raise RuntimeError("and then it broke")


@pytest.mark.parametrize("work", [unmet, broken, lambda *_: None])
def test_a_drill_passes_only_if_something_had_to_be_so_and_all_of_it_was(
    tmp_path: Path, work: Any
) -> None:
    made = run(tmp_path, work)
    assert made.result is Outcome.FAIL
    (read,) = DrillLog(tmp_path).read()
    assert read == made
    assert "- FAIL: 1" in (tmp_path / MARKDOWN_FILE).read_text()
    if work is unmet:
        (task,) = made.follow_ups
        assert "the sky is green" in task.what
    if work is broken:
        assert "and then it broke" in made.trouble


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_ended_by_a_signal_ends_in_order_and_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    undone: list[str] = []

    def ended(_: object, notes: Notes) -> None:
        notes.expect("it begins", met=True, evidence="it did")
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait((), 10)  # the handler runs at the latest here
        finally:
            undone.append("what was frozen goes on")

    monkeypatch.setitem(cast("Any", SCENARIOS), "made-up", Scenario("made up", alone=ended))
    before = signal.getsignal(number)
    done = drill("run", "made-up", "gate-paper", "--log", str(tmp_path))
    assert done.exit_code == 130
    assert signal.getsignal(number) is before
    assert undone
    (one,) = DrillLog(tmp_path).read()
    assert (one.result, one.trouble) == (Outcome.FAIL, "it was interrupted")


def test_a_damaged_log_is_told_by_its_line_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / JSON_FILE).write_text("{}\n")
    done = drill("run", "gate-paper", "--log", str(tmp_path))
    assert done.exit_code == 1
    assert f"{JSON_FILE}:1" in done.output
    assert (tmp_path / JSON_FILE).read_text() == "{}\n"
