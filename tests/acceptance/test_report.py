"""What `./dev acceptance` makes of what it saw, without a stack; tests/stack has the real thing."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from acceptance.benchmarks import BenchmarkError, measured, soaked
from acceptance.declared import Line, Scenario, Then
from acceptance.looked import Looked, Measured, Part, Ran, Verdict, at_line, at_scenario
from acceptance.report import Report, document
from acceptance.running import kept, kept_since, run
from acceptance.thens import Thens

from risk_receivers.document.forms import Form, written
from risk_receivers.document.words import moment

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SCENARIO = Scenario(
    *(1, "Normal", "calm", "it falls", ("tests/x.py::test_x",)),
    (Then("told", "people are told", ""), Then("kept", "it is on record", "")),
)
LINE = Line("nobody gets in", "", ("tests/x.py::test_a", "tests/x.py::test_b"))
PASSED = Ran(cases=2, seconds=1.0)


def report(part: Part, guide: Looked, *figures: Measured, trouble: str = "") -> Report:
    return Report(
        *(NOW, NOW, "2 cores", "0.1.0", "abc"),
        scenarios=(part,),
        security=(),
        guide=Part("guide", "", (guide,)),
        measured=figures,
        trouble=(("the table", trouble),) if trouble else (),
    )


def test_a_line_is_green_once_all_its_tests_passed_and_nothing_else_is() -> None:
    def verdict(**ran: Ran) -> Verdict:
        return at_line(LINE, {f"tests/x.py::test_{name}": one for name, one in ran.items()}).verdict

    assert verdict(a=PASSED, b=PASSED) is Verdict.GREEN
    assert verdict(a=PASSED, b=Ran(cases=1, trouble="one of two")) is Verdict.RED
    assert verdict(a=PASSED) is Verdict.RED, "one was not run"
    assert verdict(a=PASSED, b=Ran(skipped="no nginx")) is Verdict.LEFT_OUT
    late = dict.fromkeys(LINE.tests, replace(PASSED, again=True))
    assert at_line(LINE, late).seen.endswith("failed beside others and passed by itself")


def test_each_line_of_a_scenario_is_what_was_seen_of_it() -> None:
    saw = (("told", True, "by mail"), ("kept", False, "AssertionError: no record"))
    ran = {"tests/x.py::test_x": Ran(trouble="AssertionError: no record", saw=saw)}
    told, kept = at_scenario(SCENARIO, ran).lines
    assert (told.verdict, told.seen) == (Verdict.GREEN, "by mail")
    assert (kept.verdict, kept.seen) == (Verdict.RED, "AssertionError: no record")


def test_what_a_scenario_did_not_get_to_is_red_and_says_why() -> None:
    ran = {"tests/x.py::test_x": Ran(trouble="in its setup: no Prometheus")}
    lines = at_scenario(SCENARIO, ran).lines
    assert [one.verdict for one in lines] == [Verdict.RED, Verdict.RED]
    assert all("no Prometheus" in one.seen for one in lines)
    assert {one.seen for one in at_scenario(SCENARIO, {}).lines} == {"its test was not run"}


def test_a_test_that_fails_beside_its_lines_is_red_though_all_of_them_hold() -> None:
    saw = (("told", True, "by mail"), ("kept", True, "record 7"))
    ran = {"tests/x.py::test_x": Ran(cases=1, trouble="in its teardown: it complained", saw=saw)}
    assert [one.verdict for one in at_scenario(SCENARIO, ran).lines][-1] is Verdict.RED


@pytest.mark.parametrize(
    ("seen", "target", "acceptable", "word"),
    [
        (4, 10, 50, "target"),
        (11, 10, 50, "acceptable"),
        (51, 10, 50, "MISSED"),
        (200, 100, 50, "target"),
        (60, 100, 50, "acceptable"),
        (50, 100, 50, "MISSED"),
    ],
)
def test_a_figure_is_held_against_both_columns_of_the_table(
    seen: float, target: float, acceptable: float, word: str
) -> None:
    figure = Measured("x", seen, "ms", target, acceptable, "")
    assert figure.word == word
    assert (figure.verdict is Verdict.RED) == (word == "MISSED")


def test_the_verdict_comes_first_and_names_what_is_red_and_where_to_look() -> None:
    saw = (("told", True, "by mail"), ("kept", False, "no record | of it"))
    part = at_scenario(SCENARIO, {"tests/x.py::test_x": Ran(trouble="x", saw=saw)})
    slow = Measured("creation", 70, "ms", 10, 50, "")
    found = report(part, at_line(LINE, {}), slow, trouble="it said nothing")
    page = written(document(found), Form.MARKDOWN).decode()
    assert page.splitlines()[2].startswith("**Result:** RED: scenarios 1 of 2")
    for words in (
        "it is on record: no record",
        "tests/x.py::test\\_x",
        "creation: 70 ms, acceptable is < 50 ms",
        "the table: it said nothing",
    ):
        assert words.replace("\\", "") in page.replace("\\", ""), words
    assert b"RED: scenarios 1 of 2" in written(document(found), Form.HTML)


def test_all_green_says_so_and_what_was_left_out() -> None:
    saw = (("told", True, "by mail"), ("kept", True, "record 7"))
    part = at_scenario(SCENARIO, {"tests/x.py::test_x": Ran(cases=1, saw=saw)})
    tests = dict.fromkeys(LINE.tests, PASSED)
    green = report(part, at_line(LINE, tests))
    assert green.verdict is Verdict.GREEN
    assert green.headline.startswith("GREEN: scenarios 2 of 2")
    assert "Nothing: everything is green." in written(document(green), Form.MARKDOWN).decode()
    tests[LINE.tests[0]] = Ran(skipped="no nginx")
    assert report(part, at_line(LINE, tests)).headline.endswith("left out: nobody gets in.")


def test_what_is_merely_acceptable_is_never_shown_as_a_target_that_was_met() -> None:
    saw = (("told", True, "by mail"), ("kept", True, "record 7"))
    part = at_scenario(SCENARIO, {"tests/x.py::test_x": Ran(cases=1, saw=saw)})
    slow, quick = (Measured(f"load of {one}", one, "ms", 500, 2000, "") for one in (626, 400))
    found = report(part, at_line(LINE, dict.fromkeys(LINE.tests, PASSED)), slow, quick)
    assert found.verdict is Verdict.GREEN
    assert found.headline.endswith("performance 2 of 2 (targets met: 1 of 2).")
    page = written(document(found), Form.MARKDOWN).decode().replace("\\", "")
    assert "load of 626: 626 ms is acceptable and misses its target, < 500 ms" in page
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if "| load of" in line}
    assert "✅" not in rows["load of 626"]
    assert "✅ target" in rows["load of 400"]


def test_every_line_is_looked_at_although_one_does_not_hold() -> None:
    noted: list[object] = []
    then = Thens(lambda _, value: noted.append(value))
    with then("told"):
        raise AssertionError("nobody was")
    with then("kept") as saw:
        saw("record 7")
    with then("shown"):
        pass
    assert [(one["key"], one["held"]) for one in noted if isinstance(one, dict)] == [
        ("told", False),
        ("kept", True),
        ("shown", False),
    ]
    with pytest.raises(ExceptionGroup) as caught:
        then.settle()
    assert [str(one) for one in caught.value.exceptions] == [
        "nobody was",
        "the test does not say what was seen of 'shown'",
    ]


def test_what_becomes_of_tests_is_read_back_from_pytest(tmp_path: Path) -> None:
    tests = tmp_path / "test_some.py"
    tests.write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_good(n, record_property):\n"
        "    record_property('then', {'key': 'told', 'held': True, 'seen': f'by {n}'})\n"
        "def test_bad(): assert 1 == 2, 'it is not'\n"
        "@pytest.mark.skip(reason='no nginx')\n"
        "def test_left_out(): pass\n"
    )
    said: list[str] = []
    named = [f"test_some.py::{one}" for one in ("test_good", "test_bad", "test_left_out")]
    ran = run(named, tmp_path / "log", "some", 0, said.append, root=tmp_path)
    by_name = {name.rpartition("::")[2]: one for name, one in ran.items()}
    assert by_name["test_good"].cases == 2
    assert by_name["test_good"].saw == (("told", True, "by 1"), ("told", True, "by 2"))
    assert "it is not" in by_name["test_bad"].trouble
    assert by_name["test_left_out"].skipped.endswith("no nginx")
    assert said[-1].startswith("2 passed, 1 failed")
    assert kept(tmp_path / "log", ("some", "another"), named) == ran


def test_results_that_are_kept_are_said_to_be(tmp_path: Path) -> None:
    assert kept_since(tmp_path, ("some",)) is None
    (tmp_path / "some.jsonl").touch()
    os.utime(tmp_path / "some.jsonl", times=(NOW.timestamp(), NOW.timestamp()))
    assert kept_since(tmp_path, ("some", "another")) == NOW
    new = report(Part("a", "", ()), Looked("a", "", Verdict.GREEN, "", ()))
    assert "Tests" not in dict(document(new).meta)
    told = dict(document(replace(new, tests_from=NOW)).meta)["Tests"]
    assert told.startswith(f"kept of runs that ended from {moment(NOW)} on")


def test_benchmarks_that_say_nothing_are_named(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    with pytest.raises(BenchmarkError, match=r"program\.py is not there"):
        measured(program)
    for text, said in (("print('slow')", "said slow"), ("print('[{}]')", "says nothing of")):
        program.write_text(text)
        with pytest.raises(BenchmarkError, match=said):
            measured(program)
        with pytest.raises(BenchmarkError, match=said):
            soaked(None, program)
    flat = '{"what": "memory", "unit": "MiB", "first_third": 9, "last_third": 10, "allowance": 8, '
    for slope, told in (("null", "8.0 is flat"), ("2", "8.0 is flat; +2.0 MiB an hour")):
        program.write_text(f"""print('[{flat}"slope_per_hour": {slope}, "flat": true}}]')""")
        (found,) = soaked(None, program)
        assert found.seen.endswith(told)
    line = '{"what": "x", "measured": 1, "unit": "ms", "target": 2, "acceptable": 3, "how": ""}'
    program.write_text(f"print('[{', '.join([line] * 7)}]')")
    assert [one.word for one in measured(program)] == ["target"] * 7
