"""What the roadmap asks for, line by line, and the tests that show it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
_FOLDER: Final = ROOT / "tests" / "acceptance"
_GUIDE: Final = ROOT / "docs" / "hardening.md"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that has to be so.

    Attributes:
        how: it is met, where the words alone do not say it.
        tests: that show it, as pytest names them, without parameters.
    """

    asked: str
    how: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Then:
    """What a scenario ends in; its test says by the key what was seen."""

    key: str
    asked: str
    how: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story with an end that has several parts."""

    number: int
    title: str
    given: str
    when: str
    tests: tuple[str, ...]
    thens: tuple[Then, ...]


def scenarios() -> tuple[Scenario, ...]:
    """The roadmap's, in its order."""
    return tuple(map(_scenario, _read("scenarios.toml")["scenario"]))


def security_checklist() -> tuple[Section, ...]:
    """The roadmap's security checklist."""
    return _sections("security_checklist.toml")


def criteria() -> tuple[Section, ...]:
    """The roadmap's acceptance criteria, phase by phase."""
    return _sections("criteria.toml")


def hardening_items() -> Section:
    """What docs/hardening.md has in its table of the product; each names its test."""
    product = _GUIDE.read_text(encoding="utf-8").partition("## Checklist: the product")[2]
    rows = re.findall(r"^\| (.+?) \| (.*?) ?\| `(tests/\S+)` \|$", product, re.MULTILINE)
    return Section(
        "Every item of the security guide",
        tuple(Line(asked, how, (test,)) for asked, how, test in rows),
    )


def named_tests(sections: Sequence[Section]) -> tuple[str, ...]:
    """Every test that is named, once."""
    return tuple(dict.fromkeys(_named(sections)))


def by_file(tests: Iterable[str]) -> tuple[str, ...]:
    """Those of a file one after the other, so that they share what the file starts once."""
    return tuple(sorted(tests, key=lambda test: test.partition("::")[0]))


def _named(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for line in section.lines:
            yield from line.tests


def _sections(name: str) -> tuple[Section, ...]:
    return tuple(
        Section(one["title"], tuple(map(_line, one["line"]))) for one in _read(name)["section"]
    )


def _line(raw: dict[str, Any]) -> Line:
    return Line(**{"how": "", **raw, "tests": tuple(raw["tests"])})


def _scenario(raw: dict[str, Any]) -> Scenario:
    thens = tuple(Then(**{"how": "", **one}) for one in raw["then"])
    rest = {name: value for name, value in raw.items() if name != "then"}
    return Scenario(**{**rest, "tests": tuple(raw["tests"]), "thens": thens})


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))
