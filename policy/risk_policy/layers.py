"""A policy file and what it stands on: ``extends = "../alerting.toml"``, on top of everything else.

A file that extends another one says only what is different, and goes before it key by key; a list
takes the place of the list before. What it extends is named relative to the file itself. The
digest is that of all bytes, from the lowest file to the one that was named:
``cat alerting.toml profiles/production.toml | sha256sum``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from risk_policy import source as source_file
from risk_policy.errors import InvalidPolicyError, Problem
from risk_policy.explain import show
from risk_policy.source import Source

EXTENDS: Final = "extends"
_MOST_FILES: Final = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is written."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Layers:
    """A policy file on top of what it extends.

    Attributes:
        files: name and content, the lowest first.
        tree: what all of them say together, untouched otherwise.
        digest: SHA-256 of all bytes.
    """

    files: tuple[tuple[str, Source], ...]
    tree: dict[str, Any]
    digest: str

    def written(self) -> dict[str, Place]:
        """Every key that is set, with the file and the line that count."""
        return {
            key: Place(name, line)
            for name, file in self.files
            for key, line in file.written().items()
            if key != EXTENDS
        }

    def located(self, problem: Problem) -> Problem:
        """A problem with the file and the line where its key stands, if it stands anywhere."""
        if problem.line:
            return problem
        above = self.files[::-1]
        for name, file in (*filter(lambda one: _sets(one[1], problem.key), above), *above):
            if line := file.lines.of(problem.key):
                source = "" if name == above[0][0] else name
                return replace(problem, line=line, source=source)
        return problem


def read(path: Path) -> Layers:
    """A policy file and what it extends. Raises InvalidPolicyError."""
    return parse(source_file.read_bytes(path), str(path))


def parse(data: bytes, name: str) -> Layers:
    """The same of a file that was read already. Raises InvalidPolicyError."""
    contents = [(name, data)]
    files: list[tuple[str, Source]] = []
    while len(files) < len(contents):
        below, data = contents[-1]
        file = _parsed(data, below, name)
        files.insert(0, (below, file))
        if EXTENDS in file.tree:
            contents.append(_extended(below, file, name, len(contents)))
    tree: dict[str, Any] = {}
    for _, file in files:
        tree = _over(tree, file.tree)
    tree.pop(EXTENDS, None)
    content = b"".join(data for _, data in reversed(contents))
    return Layers(tuple(files), tree, hashlib.sha256(content).hexdigest())


def _sets(file: Source, key: str) -> bool:
    """Whether a file says something of a key or of what is in it, not just of what is around."""
    return any(f"{one}.".startswith(f"{key}.") for one in file.written())


def _parsed(data: bytes, name: str, top: str) -> Source:
    try:
        return source_file.parse(data, name)
    except InvalidPolicyError as error:
        problems = tuple(replace(one, source=name) for one in error.problems)
        raise InvalidPolicyError(top, problems) from error


def _extended(name: str, file: Source, top: str, count: int) -> tuple[str, bytes]:
    """Name and content of the file that one extends."""
    named = file.tree[EXTENDS]

    def invalid(message: str) -> InvalidPolicyError:
        line = file.lines.of(EXTENDS)
        return InvalidPolicyError(top, (Problem(EXTENDS, show(named), message, line, name),))

    if not isinstance(named, str) or not named or "\0" in named:
        raise invalid('must be the path of a policy file, e.g. "../alerting.toml"')
    if count == _MOST_FILES:
        raise invalid(f"at most {_MOST_FILES} files stand on each other")
    below = os.path.normpath(Path(name).parent / named)
    try:
        return below, source_file.read_bytes(Path(below))
    except InvalidPolicyError as error:
        raise invalid(f"{below} {error.problems[0].message}") from error


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        found = merged.get(key)
        if isinstance(found, dict) and isinstance(value, dict):
            value = _over(found, value)
        merged[key] = value
    return merged
