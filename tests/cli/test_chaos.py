"""What the chaos suite makes of what it saw, without a stack; tests/stack has the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from chaos.__main__ import main
from chaos.declared import Outcome, Seen
from chaos.gate_watch import GateWatch
from chaos.report import keep, kept, markdown
from chaos.scenarios import SCENARIOS

HELD = Seen("the audit chain verifies", held=True, seen="42 events")
MISSED = Seen("people are told of the trip once", held=False, seen="2 messages | and more")


def test_one_thing_that_did_not_hold_fails_a_scenario_and_so_does_seeing_nothing() -> None:
    assert Outcome("a", "x", [HELD]).passed
    assert not Outcome("a", "x", [HELD, MISSED]).passed
    assert not Outcome("a", "x", [HELD], trouble="it broke off").passed
    assert not Outcome("a", "x").passed


def test_the_page_names_what_did_not_hold_what_broke_off_and_what_was_left_out() -> None:
    page = markdown(
        [
            Outcome("good", "do one thing", [HELD]),
            Outcome("bad", "do another", [HELD, MISSED], trouble="StackError: no"),
            Outcome("other", "do a third", left_out="the machine lacks libfaketime"),
        ],
        "",
    )
    assert "| [good](#good) | do one thing | 1 of 1 | held |" in page
    assert "| [bad](#bad) | do another | 1 of 2 | FAILED |" in page
    assert "| people are told of the trip once | 2 messages / and more | **NOT** |" in page
    assert "**It broke off**: StackError: no" in page
    assert "Left out: the machine lacks libfaketime." in page


def test_what_was_seen_last_of_each_scenario_is_kept(tmp_path: Path) -> None:
    bad, good = Outcome("a", "x", [HELD, MISSED]), Outcome("a", "x", [HELD])
    for outcome in (bad, good, Outcome("b", "y", left_out="no")):
        keep(outcome, tmp_path)
    assert kept(tmp_path, ["a", "b", "never"]) == [good, Outcome("b", "y", left_out="no")]


def test_a_gate_that_opens_after_the_trip_is_seen(tmp_path: Path) -> None:
    watch = GateWatch(tmp_path)
    watch.see(allowed=False, reason="halted")
    watch.tripped()
    watch.see(allowed=True, reason="the gate is open")
    assert watch.opened_after_trip == ["the gate is open"]


def test_scenarios_are_listed_and_one_that_does_not_exist_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(SCENARIOS)
    assert main(["receivers-kiled"]) == 2
    assert "no such scenario" in capsys.readouterr().err


def test_each_scenario_says_what_must_hold_and_a_few_are_short() -> None:
    assert all(one.broken and one.mended for one in SCENARIOS.values())
    assert 1 <= sum(one.short for one in SCENARIOS.values()) <= 4
