"""What is measured for the users' table of targets, and over time, each by a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from acceptance.declared import ROOT
from acceptance.looked import Looked, Measured, Verdict

TARGETS: Final = ROOT / "benchmarks" / "users_targets.py"
SOAK: Final = ROOT / "benchmarks" / "soak.py"
_TABLE_LINES: Final = 7
_Read = TypeVar("_Read")


class BenchmarkError(Exception):
    """A benchmark that said nothing that can be read."""


def measured(program: Path = TARGETS) -> list[Measured]:
    """The users' table. Raises BenchmarkError."""
    found = _understood(
        program,
        lambda: [
            Measured(**{name: one[name] for name in Measured.__dataclass_fields__})
            for one in _answer(program)
        ],
    )
    if len(found) < _TABLE_LINES:
        raise BenchmarkError(f"{program.name} measured {len(found)} of {_TABLE_LINES} lines")
    return found


def soaked(length: str | None, program: Path = SOAK) -> list[Looked]:
    """Whether anything grows under a steady load: for a minute, or as long as is asked for.

    Raises BenchmarkError.
    """
    arguments = ["--soak", length] if length else []
    how_long = length or "a minute at six times the rate"
    return _understood(program, lambda: list(_grows(_answer(program, *arguments), how_long)))


def _understood(program: Path, read: Callable[[], list[_Read]]) -> list[_Read]:
    try:
        return read()
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"{_shown(program)} says nothing of {error}") from error


def _grows(verdicts: Sequence[dict[str, Any]], length: str) -> Iterator[Looked]:
    for one in verdicts:
        unit = f" {one['unit']}" if one["unit"] else ""
        seen = (
            f"{one['first_third']:,.1f}{unit} in the first third, {one['last_third']:,.1f} in the "
            f"last; growth by up to {one['allowance']:,.1f} is flat"
        )
        if one["slope_per_hour"] is not None:
            seen += f"; {one['slope_per_hour']:+,.1f}{unit} an hour"
        verdict = Verdict.GREEN if one["flat"] else Verdict.RED
        yield Looked(f"{one['what']} stays flat ({length})", "", verdict, seen, (_shown(SOAK),))


def _answer(program: Path, *arguments: str) -> list[dict[str, Any]]:
    """What it prints; how far it is it tells on the screen by itself."""
    if not program.is_file():
        raise BenchmarkError(f"{_shown(program)} is not there")
    command = [sys.executable, str(program), "--json", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ}
    )
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        said = " ".join(done.stdout.split())[:200] or "nothing"
        raise BenchmarkError(
            f"{_shown(program)} ended with {done.returncode} and said {said}"
        ) from error
    if not isinstance(found, list):
        raise BenchmarkError(f"{_shown(program)} printed no list")
    return found


def _shown(program: Path) -> str:
    return program.relative_to(ROOT).as_posix() if program.is_relative_to(ROOT) else program.name
