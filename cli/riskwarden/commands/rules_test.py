"""`riskwarden rules test`: the generated rules, proven by Prometheus's own engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import risk_rules
from risk_policy import Policy, PolicyError
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.vocabulary import Escalation
from risk_rules import RulesError
from risk_rules.groups import rule_files
from risk_rules.proofs import unit_tests
from risk_rules.proofs.coverage import Covered, coverage
from risk_rules.proofs.families import Mutant, families
from riskwarden.commands.common import PolicyOption, err, fail, out, policy_or_fail

#: Rule files that hold the rules of many alerts; some are proven with both.
_SHARED: Final = ("system", "guard")
_TEST_SECONDS: Final = 600
#: promtool keeps little: collected less often, it needs a fifth less time.
_COLLECTED: Final = "400"
#: promtool names the test of an alert that differs; for an expression it gives the text alone.
_FAILED: Final = re.compile(
    r"\s*(?:name: (?P<test>.*),\n\s*)?"
    r"(?P<what>alertname: .*?|expr: .*), time: (?P<time>\w+),\s*\n"
)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What promtool said about one test file."""

    name: str
    passed: bool
    output: str


def prove(
    policy: PolicyOption = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Also prove the tests: make wrong rules, miss none.")
    ] = False,
    limit: Annotated[
        str, typer.Option("--limit", help="Only one limit, or recorded, or system with guard.")
    ] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="How many to run at once.")
    ] = os.cpu_count() or 1,
) -> None:
    """Prove every alert of the rules: that it fires when it has to, and only then."""
    loaded = policy_or_fail(policy)
    try:
        known = rule_files(loaded)
        if limit and limit not in known:
            fail(f"there are no rules of {limit!r}; known are: {', '.join(sorted(known))}")
        wanted = _SHARED if limit in _SHARED else (limit,) if limit else tuple(known)
        files = {**risk_rules.generate_rules(loaded), **unit_tests(loaded, *wanted)}
    except (PolicyError, RulesError) as error:
        fail(f"{loaded.source}: {error}", 1)
    rules = _parsed(files, "rules/", ".yml", wanted)
    tests = _parsed(files, "tests/", ".test.yml", wanted)
    with tempfile.TemporaryDirectory(prefix="riskwarden-") as folder:
        passed = _prove(loaded, files, rules, tests, Path(folder), jobs)
        if passed and mutate:
            passed = _mutate(rules, tests, Path(folder), jobs)
    if not passed:
        raise typer.Exit(1)


# -- proving --------------------------------------------------------------------------------------


def _prove(
    policy: Policy,
    files: dict[str, str],
    rules: dict[str, Any],
    tests: dict[str, Any],
    folder: Path,
    jobs: int,
) -> bool:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    names = [f"tests/{name}.test.yml" for name in tests]
    done = _in_parallel(lambda name: run_test(folder, name), names, jobs, "proving")
    failed = [outcome for outcome in done if not outcome.passed]
    for outcome in sorted(failed, key=lambda one: one.name):
        for line in explained(policy, outcome):
            err.print(line, markup=False)
    covered = coverage(rules.values(), tests.values())
    missing = [one for one in covered if not one.complete]
    out.print(coverage_table(covered))
    share = 100 * (len(covered) - len(missing)) / max(len(covered), 1)
    out.print(
        f"{len(done) - len(failed)} of {len(done)} test files pass; "
        f"{len(covered) - len(missing)} of {len(covered)} ways to fire are proven "
        f"to happen and not to happen ({share:.4g}%)"
    )
    for one in missing:
        lacks = "to fire" if not one.fires else "not to fire"
        err.print(f"{one.alertname} as {one.severity} ({one.escalation}) is never proven {lacks}")
    return not failed and not missing


def run_test(folder: Path, name: str) -> Outcome:
    """Run one test file."""
    try:
        done = subprocess.run(
            ["promtool", "test", "rules", name],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TEST_SECONDS,
            check=False,
            env={**os.environ, "GOGC": _COLLECTED},
        )
    except FileNotFoundError:
        fail("promtool was not found; it comes with Prometheus (./dev setup installs it)")
    except subprocess.TimeoutExpired:
        return Outcome(name, passed=False, output=f"did not end within {_TEST_SECONDS} s")
    return Outcome(name, done.returncode == 0, done.stdout + done.stderr)


def explained(policy: Policy, outcome: Outcome) -> Iterable[str]:
    """A failure in terms of limit, test and policy key, then what was expected and found."""
    limit = Path(outcome.name).name.partition(".")[0]
    pieces = _FAILED.split(outcome.output)
    if len(pieces) == 1:
        yield f"{limit}: {outcome.output.strip()}"
        return
    for test, what, time, found in zip(*(iter(pieces[1:]),) * 4, strict=False):
        yield f"{limit}: {f'{test}: ' if test else ''}at {time}, {what}"
        for key, value in _keys(policy, limit, what, found):
            yield f"  policy: {key} = {value:g}"
        yield from (f"  {line.strip()}" for line in found.splitlines() if line.strip())


def _keys(policy: Policy, limit: str, what: str, found: str) -> Iterable[tuple[str, float]]:
    """The keys of the policy that decide about what failed."""
    expected, _, got = found.partition("got:")

    def named(alert: str) -> bool:
        return alert in what or (alert in expected) != (alert in got)

    specs = [spec for each in LIMITS if each.name == limit for spec in each.alerts]
    keys = [spec.threshold for spec in [one for one in specs if named(one.name)] or specs]
    keys += [one.duration for one in SYSTEM_ALERTS if named(one.name) and one.duration]
    return ((key, policy.number(key)) for key in keys)


def coverage_table(covered: Sequence[Covered]) -> Table:
    """One row per alert, and in each column as what it was proven to fire."""
    table = Table(title="proven to fire, and not to fire", title_justify="left")
    for column in ("limit", "alert", "tier", "itself", "by time", "by frequency", "by trend"):
        table.add_column(column)
    rows: dict[tuple[str, str, str], list[Covered]] = {}
    for one in covered:
        rows.setdefault((one.limit, one.alertname, one.tier), []).append(one)
    for (limit, name, tier), ways in rows.items():
        cells = [
            ", ".join(_mark(one) for one in ways if one.escalation == why) for why in Escalation
        ]
        table.add_row(limit, name, tier, *cells)
    return table


def _mark(one: Covered) -> str:
    if one.complete:
        return one.severity
    return f"[bold red]{one.severity}: {'only fires' if one.fires else 'never fires'}[/]"


# -- mutants --------------------------------------------------------------------------------------


def _mutate(rules: dict[str, Any], tests: dict[str, Any], folder: Path, jobs: int) -> bool:
    shared = tuple(name for name in _SHARED if name in rules)
    every = list(families(rules, tests, shared))
    for family in every:
        if killed(folder / "right", family.right()):
            fail(f"{family.name}: its tests fail by themselves, so they say nothing", 1)
    found = [mutant for family in every for mutant in family.mutants()]
    results = _in_parallel(
        lambda numbered: (numbered[1], killed(folder / f"mutant-{numbered[0]}", numbered[1])),
        list(enumerate(found)),
        jobs,
        "mutants",
    )
    survivors = [mutant for mutant, dead in results if not dead]
    out.print(f"{len(found) - len(survivors)} of {len(found)} wrong rules were noticed")
    for mutant in survivors:
        err.print(f"survived: {mutant.family}: {mutant.what}", markup=False)
    return not survivors


def killed(folder: Path, mutant: Mutant) -> bool:
    """Whether a test fails because of a wrong rule. A rule that cannot be read is an error."""
    folder.mkdir()
    (folder / "rules.yml").write_text(json.dumps(mutant.rules), encoding="utf-8")
    try:
        for number, content in enumerate(mutant.tests):
            name = f"{number}.test.yml"
            test = {**content, "rule_files": ["rules.yml"]}
            (folder / name).write_text(json.dumps(test), encoding="utf-8")
            outcome = run_test(folder, name)
            if not outcome.passed:
                if "exp:" not in outcome.output:
                    fail(f"{mutant.family}: {mutant.what} cannot be judged: {outcome.output}", 1)
                return True
        return False
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


# -- files and threads ----------------------------------------------------------------------------


def _parsed(
    files: dict[str, str], folder: str, suffix: str, wanted: Sequence[str]
) -> dict[str, Any]:
    """Generated files of a folder, by name; of the rule files that are wanted, whose tests begin
    with their name."""
    return {
        path.removeprefix(folder).removesuffix(suffix): yaml.load(text, _LOADER)  # noqa: S506 - a safe loader, and our own text
        for path, text in files.items()
        if path.startswith(folder) and path.removeprefix(folder).partition(".")[0] in wanted
    }


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _in_parallel(
    work: Callable[[_Item], _Result], items: Sequence[_Item], jobs: int, title: str
) -> list[_Result]:
    columns = TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(title, total=len(items))
        with ThreadPoolExecutor(jobs) as pool:
            results = []
            for future in as_completed([pool.submit(work, item) for item in items]):
                results.append(future.result())
                progress.advance(task)
    return results
