"""What became of the mutants: kept per module, and the page about them all. Pure but for files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.session import Verdict
from mutation.table import WANTED, Area

_EXPLAINED = Path(__file__).with_name("survivors.toml")


@dataclass(slots=True)
class Tried:
    """A module, as its source was, and what became of those of its mutants that were tried."""

    module: str
    digest: str
    mutants: int
    verdicts: list[Verdict]

    @property
    def survived(self) -> list[Verdict]:
        """Those that no test noticed."""
        return [one for one in self.verdicts if not one.killed]

    @property
    def ratio(self) -> float:
        """The share that was killed."""
        return 1 - len(self.survived) / len(self.verdicts) if self.verdicts else 0.0


def keep(tried: Tried, folder: Path) -> None:
    """For the next report."""
    folder.mkdir(parents=True, exist_ok=True)
    _file(folder, tried.module).write_text(json.dumps(asdict(tried), indent=1), encoding="utf-8")


def kept(folder: Path, module: str, digest: str) -> Tried | None:
    """What is known of a module as it is; None if that is nothing."""
    try:
        found = json.loads(_file(folder, module).read_text("utf-8"))
    except FileNotFoundError:
        return None
    if found["digest"] != digest:
        return None
    return Tried(module, digest, found["mutants"], [Verdict(**one) for one in found["verdicts"]])


def _file(folder: Path, module: str) -> Path:
    return folder / f"{module.replace('/', '.')}.json"


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
        "",
    ]
    for area in areas:
        lines += [f"## {area.title}", "", "| module | mutants | tried | killed | survived | |"]
        lines += ["|---|--:|--:|--:|--:|--:|"]
        of_area = [results[path] for path in area.modules if path in results]
        lines += [_row(f"`{one.module}`", [one]) for one in of_area]
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


def _row(name: str, tried: Sequence[Tried]) -> str:
    of = sum(len(one.verdicts) for one in tried)
    survived = sum(len(one.survived) for one in tried)
    share = 1 - survived / of if of else 0.0
    mutants = sum(one.mutants for one in tried)
    return f"| {name} | {mutants} | {of} | {of - survived} | {survived} | {share:.1%} |"
