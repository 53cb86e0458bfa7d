"""The dangerous modules, and the tests that guard them: ``table.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: The share of a module's mutants that tests have to kill.
WANTED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that the same tests guard.

    Attributes:
        samples: how many mutants are tried of a module, where it is not all.
    """

    title: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    samples: Mapping[str, int] = field(default_factory=dict)


def _read() -> tuple[Area, ...]:
    table = tomllib.loads(Path(__file__).with_name("table.toml").read_text("utf-8"))
    return tuple(
        Area(one["title"], tuple(one["modules"]), tuple(one["tests"]), one.get("samples", {}))
        for one in table["area"]
    )


AREAS: Final = _read()
