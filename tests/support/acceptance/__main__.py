"""`./dev acceptance`: exit status 1 if anything that the roadmap asks for is not green."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from acceptance.benchmarks import BenchmarkError, measured, soaked
from acceptance.declared import (
    ROOT,
    Section,
    by_file,
    criteria,
    hardening_items,
    named_tests,
    scenarios,
    security_checklist,
)
from acceptance.looked import Looked, Measured, Part, Ran, Verdict, at_line, at_scenario
from acceptance.report import Report, document
from acceptance.running import kept, kept_since, run
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_receivers.document.forms import Form, suffix_of, written

_PAGE: Final = ROOT / "docs" / "acceptance.md"
_REPORT: Final = ROOT / "var" / "acceptance"
#: Tests on whole stacks measure real time, so they have the machine to themselves.
_ALONE: Final = "tests/stack/"
_PER_CORE: Final = 2
#: How many may have failed for no other reason than being late.
_MOST_AGAIN: Final = 5
_RUNS: Final = ("scenarios", "stacks", "others")
_AGAIN: Final = "again"
_MEASURED: Final = "performance"
_PARTS: Final = ("scenarios", "security", "criteria", _MEASURED)


@dataclass(frozen=True, slots=True)
class _Figures:
    measured: tuple[Measured, ...] = ()
    soaked: tuple[Looked, ...] = ()
    trouble: tuple[tuple[str, str], ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everything, or a part of it, write it down; the exit status."""
    options = _options(arguments)
    parts = options.only or [one for one in _PARTS if one != _MEASURED or not options.no_benchmarks]
    began_at = utc_now()
    stories = scenarios() if "scenarios" in parts else ()
    checklist = security_checklist() if "security" in parts else ()
    guide = hardening_items() if "security" in parts else Section("Security guide", ())
    phases = criteria() if "criteria" in parts else ()
    ran = _run(
        by_file(test for story in stories for test in story.tests),
        named_tests((*checklist, guide, *phases)),
        again=options.again,
    )
    figures = _measure(options.soak) if _MEASURED in parts else _Figures()
    report = Report(
        began_at=began_at,
        ended_at=utc_now(),
        machine=f"{os.cpu_count()} cores, Linux {platform.release().partition('-')[0]}",
        version=version("riskwarden"),
        digest=load_policy(default_policy_path(), {}).digest,
        scenarios=tuple(at_scenario(story, ran) for story in stories),
        security=tuple(_part(section, ran) for section in checklist),
        guide=_part(guide, ran),
        criteria=tuple(_part(section, ran) for section in phases),
        measured=figures.measured,
        soaked=figures.soaked,
        trouble=figures.trouble,
        left_out=tuple(one for one in _PARTS if one not in parts),
        tests_from=kept_since(_REPORT, _RUNS) if options.again else None,
    )
    _show(report)
    _write(report, page=options.write)
    return 0 if report.verdict is Verdict.GREEN else 1


def _run(stories: Sequence[str], shown: Sequence[str], *, again: bool) -> dict[str, Ran]:
    """All tests, each once: what has the machine to itself first.

    A machine that does something else at the same time can fail a test by being late. What failed
    gets the machine to itself once, and is named either way; what fails again has failed.
    """
    shown = by_file({*shown} - {*stories})
    alone = [test for test in shown if test.startswith(_ALONE)]
    others = [test for test in shown if not test.startswith(_ALONE)]
    many = (os.cpu_count() or 1) * _PER_CORE
    ran = kept(_REPORT, (*_RUNS, _AGAIN), (*stories, *shown)) if again else {}
    if not again:
        (_REPORT / f"{_AGAIN}.jsonl").unlink(missing_ok=True)
    for name, what, tests, processes in (
        (_RUNS[0], "tests of scenarios, on stacks of real processes", stories, 0),
        (_RUNS[1], "tests of the lists on stacks of their own", alone, 0),
        (_RUNS[2], f"other tests of the lists, {many} files at a time", others, many),
    ):
        if tests and not again:
            print(f"{what}: {len(tests)}", flush=True)
            ran |= run(tests, _REPORT, name, processes, _say)
    failed = [test for test in (*stories, *shown) if ran.get(test, Ran()).verdict is Verdict.RED]
    if failed and (again or len(failed) <= _MOST_AGAIN):
        print(f"once more, each by itself: {len(failed)}", flush=True)
        found = run(failed, _REPORT, _AGAIN, 0, _say)
        ran |= {test: replace(one, again=True) for test, one in found.items()}
    return ran


def _measure(soak: str | None) -> _Figures:
    print("performance", flush=True)
    trouble: list[tuple[str, str]] = []
    table: list[Measured] = []
    flat: list[Looked] = []
    try:
        _say("the users' table of targets")
        table = measured()
    except BenchmarkError as error:
        trouble.append(("the table of targets", str(error)))
    try:
        _say(f"a steady load for {soak or 'a minute'}")
        flat = soaked(soak)
    except BenchmarkError as error:
        trouble.append(("a steady load", str(error)))
    for what, why in trouble:
        _say(f"FAIL {what}: {why}")
    return _Figures(tuple(table), tuple(flat), tuple(trouble))


def _part(section: Section, ran: dict[str, Ran]) -> Part:
    return Part(section.title, "", tuple(at_line(line, ran) for line in section.lines))


def _show(report: Report) -> None:
    print()
    for part in report.scenarios:
        print(f"Scenario {part.title}")
        for one in part.lines:
            print(f"  {one.verdict:9} {one.asked}: {one.seen}")
    for part in report.security:
        print(f"Security: {part.title.lower()}")
        for one in part.lines:
            print(f"  {one.verdict:9} {one.asked}: {one.seen}")
    for title, parts in (("Security guide", (report.guide,)), ("Criteria", report.criteria)):
        lines = [one for part in parts for one in part.lines]
        if lines:
            green = sum(one.verdict is Verdict.GREEN for one in lines)
            print(f"{title}: {green} of {len(lines)} green")
    for figure in report.measured:
        is_green = figure.verdict is Verdict.GREEN
        print(
            f"  {figure.verdict:9} {figure.what}: {figure.measured:,g} {figure.unit} "
            f"(target {figure.bound(figure.target)}{'' if is_green else ', MISSED'})"
        )
    for one in report.soaked:
        print(f"  {one.verdict:9} {one.asked}: {one.seen}")
    missing = list(report.missing())
    if missing:
        print("\nNot green:")
    for what, seen, where in missing:
        print(f"  {what}: {seen}")
        for place in where:
            print(f"    see {place}")
    print(f"\n{report.headline}")


def _write(report: Report, *, page: bool) -> None:
    whole = document(report)
    places = []
    for form in (Form.MARKDOWN, Form.HTML):
        place = _REPORT.with_name(_REPORT.name + suffix_of(form))
        place.write_bytes(written(whole, form))
        places.append(place)
    if page:
        _PAGE.write_bytes(written(whole, Form.MARKDOWN))
        places.append(_PAGE)
    print(f"the report is {' and '.join(_shown(place) for place in places)}")
    if report.verdict is not Verdict.GREEN:
        print(f"what pytest said is in {_shown(_REPORT)}")


def _shown(place: Path) -> str:
    return place.relative_to(ROOT).as_posix()


def _say(text: str) -> None:
    print(f"    {text}", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev acceptance", description="Look at everything that the roadmap asks for."
    )
    parser.add_argument("--no-benchmarks", action="store_true", help="measure nothing")
    parser.add_argument("--soak", metavar="1h", help="how long the steady load lasts; a minute")
    parser.add_argument("--only", action="append", choices=_PARTS, help="a part; may be repeated")
    parser.add_argument(
        "--again", action="store_true", help="only what was not green the last time; measure anew"
    )
    parser.add_argument("--write", action="store_true", help="write docs/acceptance.md, too")
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.no_benchmarks):
        parser.error("docs/acceptance.md is about everything: --write leaves nothing out")
    if options.soak and not re.fullmatch(r"[0-9.]+[smh]", options.soak):
        parser.error(f"--soak {options.soak}: a number with s, m or h, such as 1h")
    return options


if __name__ == "__main__":
    sys.exit(main())
