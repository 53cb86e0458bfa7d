"""What became of the mutants: kept per module, and the page about them all. Pure but for files.

One file per module, in the repository: who tries one module writes no other's. Those that were
killed are numbers, those that survived are told in words, so what changes can be read.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutation.mutants import count
from mutation.session import Verdict
from mutation.table import WANTED, Area

_EXPLAINED = Path(__file__).with_name("survivors.toml")


@dataclass(slots=True)
class Tried:
    """A module, as its source was, and what became of those of its mutants that were tried."""

    module: str
    digest: str
    mutants: int
    killed: set[int] = field(default_factory=set)
    survived: list[Verdict] = field(default_factory=list)

    @property
    def numbers(self) -> set[int]:
        """Of all that were tried."""
        return self.killed | {one.number for one in self.survived}

    @property
    def ratio(self) -> float:
        """The share that was killed."""
        return len(self.killed) / len(self.numbers) if self.numbers else 0.0

    def add(self, verdict: Verdict) -> None:
        """In the place of what was found of the same mutant before."""
        self.killed.discard(verdict.number)
        self.survived = [one for one in self.survived if one.number != verdict.number]
        if verdict.killed:
            self.killed.add(verdict.number)
        else:
            self.survived = sorted([*self.survived, verdict], key=lambda one: one.number)


def untried(root: Path, module: str) -> Tried:
    """A module as it is now, of which nothing is known."""
    source = (root / module).read_bytes()
    return Tried(module, hashlib.sha256(source).hexdigest(), count(source.decode()))


def keep(tried: Tried, folder: Path) -> None:
    """For the next run, and the next report."""
    lines = [
        "# Written by `./dev mutate`. It holds for the source with this digest.",
        f'digest = "{tried.digest}"',
        f"mutants = {tried.mutants}",
        "killed = [",
        *textwrap.wrap(", ".join(_spans(tried.killed)), 96, break_on_hyphens=False),
        "]",
    ]
    for one in tried.survived:
        change = json.dumps(one.change, ensure_ascii=False)
        lines += ["", "[[survived]]", f"number = {one.number}", f"line = {one.line}"]
        lines += [f"change = {change}"]
    folder.mkdir(parents=True, exist_ok=True)
    staging = _file(folder, tried.module).with_suffix(".new")
    staging.write_text("\n".join(lines) + "\n", encoding="utf-8")
    staging.replace(_file(folder, tried.module))


def kept(folder: Path, now: Tried) -> Tried | None:
    """What is known of a module as it is now; None if it never was tried, or was another then."""
    try:
        found = tomllib.loads(_file(folder, now.module).read_text("utf-8"))
    except FileNotFoundError:
        return None
    if (found["digest"], found["mutants"]) != (now.digest, now.mutants):
        return None
    survived = [
        Verdict(now.module, one["number"], one["line"], one["change"], killed=False, by="")
        for one in found.get("survived", [])
    ]
    return Tried(now.module, now.digest, now.mutants, _numbers(found["killed"]), survived)


def _spans(numbers: Collection[int]) -> list[str]:
    """Numbers that follow one another as first and last, e.g. ``"4-9"``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [f'"{first}-{last}"' if first < last else f'"{first}"' for first, last in spans]


def _numbers(spans: Iterable[str]) -> set[int]:
    ends = [(first, last or first) for first, _, last in (span.partition("-") for span in spans)]
    return {number for first, last in ends for number in range(int(first), int(last) + 1)}


def _file(folder: Path, module: str) -> Path:
    return folder / f"{module.replace('/', '.')}.toml"


def explained() -> dict[tuple[str, str], str]:
    """Why survivors are no faults: by module and change."""
    table = tomllib.loads(_EXPLAINED.read_text("utf-8"))
    return {
        (module, change): why
        for module, changes in table.items()
        for change, why in changes.items()
    }


def unexplained(results: Mapping[str, Tried]) -> list[str]:
    """Survivors that nobody has said anything of."""
    known = explained()
    return [
        f"{one.module}:{one.line} {one.change}"
        for tried in results.values()
        for one in tried.survived
        if (one.module, one.change) not in known
    ]


def markdown(areas: Sequence[Area], results: Mapping[str, Tried]) -> str:
    """The page."""
    known = explained()
    lines = [
        "# Mutation tests",
        "",
        "<!-- Written by `./dev mutate --write`. -->",
        "",
        "Whether the tests of the dangerous modules would notice a fault: small ones are put in,",
        "one at a time, and a test that reaches the line has to fail. A fault is a comparison,",
        "operator, condition or number that is another one; an operand, keyword, statement,",
        "`raise`, a `not` or a `case` that is missing; a `return` that returns nothing; an error",
        "that is let through. Texts, logging, annotations and decorators are left alone.",
        "",
        f"At least {WANTED:.0%} of each module have to be killed. Of large ones a sample is tried,",
        "the same at each run as long as the source is. `./dev mutate MODULE` tries one module.",
        "What was found is in `tests/support/mutation/results`: a file per module, which holds as",
        "long as the source is the same. `--again` tries what is not known, or not explained.",
        "",
    ]
    for area in areas:
        lines += [f"## {area.title}", "", "| module | mutants | tried | killed | survived | |"]
        lines += ["|---|--:|--:|--:|--:|--:|"]
        of_area = [results[path] for path in area.modules if path in results]
        lines += [
            _row(f"`{path}`", [results[path]]) if path in results else _missing(path)
            for path in area.modules
        ]
        lines += [_row("all", of_area), ""] if of_area else [""]
    everything = [results[path] for area in areas for path in area.modules if path in results]
    lines += ["## All", "", "| mutants | tried | killed | survived | |", "|--:|--:|--:|--:|--:|"]
    lines += [_row("", everything).removeprefix("|  "), "", "## What survived, and why", ""]
    for tried in everything:
        if tried.survived:
            lines += [f"`{tried.module}`", ""]
            for one in tried.survived:
                why = known.get(
                    (one.module, one.change),
                    "Open: none of the tests that are tried here notices it.",
                )
                lines.append(f"* line {one.line}: `{one.change}`<br>{why}")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _missing(path: str) -> str:
    return f"| `{path}` | | | | | not tried as it is now |"


def _row(name: str, tried: Sequence[Tried]) -> str:
    of = sum(len(one.numbers) for one in tried)
    survived = sum(len(one.survived) for one in tried)
    share = 1 - survived / of if of else 0.0
    mutants = sum(one.mutants for one in tried)
    return f"| {name} | {mutants} | {of} | {of - survived} | {survived} | {share:.1%} |"
