"""Everything that is generated from the policy and committed: rendered, compared, written.

Rendering happens in memory, so a check never touches the tree.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import risk_alertmanager
import risk_rules
from risk_policy import Policy


@dataclass(frozen=True, slots=True)
class Drift:
    """One generated file that is not what the policy says.

    Attributes:
        path: relative to the root.
        kind: ``changed``, ``missing`` or ``stray``.
        diff: unified diff from what is there to what should be.
    """

    path: str
    kind: str
    diff: str


def folders(policy: Policy) -> dict[str, dict[str, str]]:
    """What every generated folder holds: folder -> file name -> content."""
    return {
        "rules/generated": risk_rules.generate(policy),
        "alertmanager/generated": risk_alertmanager.generate(policy),
    }


def drifts(policy: Policy, root: Path) -> Iterator[Drift]:
    """Every difference between the tree and what the policy says, stray files included."""
    return _drifts(folders(policy), root)


def _drifts(wanted: dict[str, dict[str, str]], root: Path) -> Iterator[Drift]:
    for folder, files in wanted.items():
        for name, text in sorted(files.items()):
            path = root / folder / name
            label = f"{folder}/{name}"
            if not path.is_file():
                yield Drift(label, "missing", _diff(label, "", text))
                continue
            found = path.read_text(encoding="utf-8")
            if found != text:
                yield Drift(label, "changed", _diff(label, found, text))
        for path in _files(root / folder):
            name = path.relative_to(root / folder).as_posix()
            if name not in files:
                yield Drift(f"{folder}/{name}", "stray", "")


def write(policy: Policy, root: Path) -> list[Drift]:
    """Make the tree what the policy says; returns what had to change.

    Stray files are removed: a rule file that nothing generates would be loaded all the same.
    """
    wanted = folders(policy)
    found = list(_drifts(wanted, root))
    for drift in found:
        path = root / drift.path
        if drift.kind == "stray":
            path.unlink()
            continue
        folder = next(name for name in wanted if drift.path.startswith(name + "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(f".{path.name}.new")
        staging.write_text(wanted[folder][drift.path.removeprefix(folder + "/")], encoding="utf-8")
        staging.replace(path)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def _diff(label: str, found: str, wanted: str) -> str:
    lines = difflib.unified_diff(
        found.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        label,
        label + " (policy)",
    )
    return "".join(lines)
