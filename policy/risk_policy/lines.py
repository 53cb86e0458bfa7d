"""On which line of a policy file a key is written; a guess, made for messages only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

_LONGEST_PART: Final = 60
_DEEPEST_IMPLIED: Final = 15
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
# No group of alternatives is possessive: Python before 3.11.5 gets that wrong.
_PART: Final = r"""(?:"[^"\\]*+(?:\\.[^"\\]*+)*"|'[^']*+'|[A-Za-z0-9_-]++)"""
_DOTTED: Final = rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*"
_HEADER: Final = re.compile(rf"\s*+\[\[?[ \t]*+({_DOTTED})[ \t]*+\]")
_ASSIGNMENT: Final = re.compile(rf"\s*+({_DOTTED})[ \t]*+=")


def dotted(parts: Iterable[str]) -> str:
    """A key as it is shown: parts that TOML wants quoted are quoted, long ones cut."""
    return ".".join(_shown_part(part) for part in parts)


def _shown_part(part: str) -> str:
    short = part if len(part) <= _LONGEST_PART else part[: _LONGEST_PART - 1] + "…"
    return short if _BARE.fullmatch(part) else json.dumps(short, ensure_ascii=False)


class Lines:
    """Where the keys and tables of a file are written."""

    def __init__(self, text: str) -> None:
        self._assignments: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        self._implied: dict[str, int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                table = _parts(header[1])
                self._tables.setdefault(dotted(table), number)
                self._imply(table, number)
            elif assignment := _ASSIGNMENT.match(line):
                key = (*table, *_parts(assignment[1]))
                self._assignments.setdefault(dotted(key), number)
                self._imply(key, number)

    def _imply(self, parts: tuple[str, ...], number: int) -> None:
        for depth in range(1, min(len(parts), _DEEPEST_IMPLIED)):
            self._implied.setdefault(dotted(parts[:depth]), number)

    def of(self, key: str) -> int:
        """The line of a key, or of the inline value or table right around it; 0 if nowhere."""
        candidate = key
        while candidate:
            if candidate in self._assignments:
                return self._assignments[candidate]
            candidate = candidate.rpartition(".")[0]
        for table in (key, key.rpartition(".")[0]):
            if table in self._tables:
                return self._tables[table]
        return self._implied.get(key, 0)

    def key_on(self, line: int) -> str:
        """The key that is written on a line; empty if none is."""
        return next((key for key, number in self._assignments.items() if number == line), "")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(_bare(part) for part in re.findall(_PART, text))


def _bare(part: str) -> str:
    if part.startswith("'"):
        return part[1:-1]
    if not part.startswith('"'):
        return part
    try:
        return str(json.loads(part))  # its escapes are TOML's, but for the rarest
    except ValueError:
        return part[1:-1]
