"""What `./dev acceptance` looks at is whole: every line of the roadmap, with tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from acceptance.declared import (
    ROOT,
    Scenario,
    criteria,
    hardening_items,
    named_tests,
    scenarios,
    security_checklist,
)

SECTIONS = (*security_checklist(), hardening_items(), *criteria())
SCENARIOS = scenarios()
NAMED = (*named_tests(SECTIONS), *(test for one in SCENARIOS for test in one.tests))


@cache
def defined_in(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}


def function(test: str) -> ast.FunctionDef:
    path, _, name = test.partition("::")
    return defined_in(ROOT / path)[name]


def problem(test: str) -> str:
    """Why pytest would not run it."""
    path, _, name = test.partition("::")
    if not Path(path).name.startswith("test_") or not name.startswith("test_"):
        return "it would not be collected"
    if not (ROOT / path).is_file() or name not in defined_in(ROOT / path):
        return "there is none"
    marks = [ast.unparse(one) for one in function(test).decorator_list]
    return next((mark for mark in marks if re.search(r"\b(skip|xfail)\b", mark)), "")


def test_every_test_that_is_named_is_one_that_runs() -> None:
    assert {test: said for test in NAMED if (said := problem(test))} == {}


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("tests/acceptance/test_nothing.py::test_it", "there is none"),
        ("tests/acceptance/test_report.py::test_it", "there is none"),
        ("tests/acceptance/test_report.py::report", "it would not be collected"),
    ],
)
def test_a_test_that_is_none_is_noticed(test: str, said: str) -> None:
    assert problem(test) == said


def test_the_roadmaps_checklist_is_whole_and_every_line_of_it_is_shown_by_something() -> None:
    found = {one.title: len(one.lines) for one in security_checklist()}
    assert found == {
        "Input validation": 3,
        "Authentication and authorization": 3,
        "Secrets": 3,
        "Network": 3,
        "Audit and logging": 3,
        "Errors": 3,
    }
    for section in SECTIONS:
        for line in section.lines:
            assert line.tests, line.asked


def test_every_phase_of_the_roadmap_is_looked_at() -> None:
    numbers = [re.match(r"Phase (\d): ", one.title) for one in criteria()]
    assert [int(one[1]) for one in numbers if one] == [1, 2, 3, 4, 5, 6, 7]


def test_every_item_of_the_security_guide_is_looked_at() -> None:
    guide = (ROOT / "docs/hardening.md").read_text(encoding="utf-8")
    assert len(hardening_items().lines) == guide.count("| `tests/") > 45


def test_the_roadmaps_scenarios_are_whole() -> None:
    assert {one.number: len(one.thens) for one in SCENARIOS} == {1: 4, 2: 4, 3: 4, 4: 5, 5: 4}
    keys = [then.key for one in SCENARIOS for then in one.thens]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.title)
def test_a_scenarios_test_says_what_it_saw_of_each_line_and_of_no_other(scenario: Scenario) -> None:
    said = [
        call.args[0].value
        for test in scenario.tests
        for call in ast.walk(function(test))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "then"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert sorted(map(str, said)) == sorted(then.key for then in scenario.thens)


def test_the_page_that_is_kept_has_every_line_of_today_and_is_green() -> None:
    page = (ROOT / "docs/acceptance.md").read_text(encoding="utf-8").replace("\\", "")
    result = page.splitlines()[2]
    assert result.startswith("**Result:** GREEN: ")
    assert "left out" not in result, "./dev acceptance --write, and leave nothing out"
    for then in (then for one in SCENARIOS for then in one.thens):
        assert f"| {then.asked} | {then.how} |" in page
    asked_for = (*security_checklist(), *criteria())
    for line in (line for section in asked_for for line in section.lines):
        assert f"| {line.asked} | {line.how} | {', '.join(line.tests)} |" in page
