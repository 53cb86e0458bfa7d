"""Everything that is generated from the policy and committed: rendered, compared, written.

Rendering happens in memory, so a check never touches the tree.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import risk_alertmanager
import risk_grafana
import risk_rules
from risk_policy import Policy
from risk_rules import phase
from risk_rules.prometheus import RULES_FOLDER
from riskwarden.reference import reference, runbooks

#: Folder -> file name -> content.
Artefacts = dict[str, dict[str, str]]


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


def folders(policy: Policy) -> Artefacts:
    """What every generated folder holds."""
    return {
        "rules/generated": risk_rules.generate(policy),
        "alertmanager/generated": risk_alertmanager.generate(policy),
        "grafana/generated": risk_grafana.generate(policy),
        "grafana/provisioning": risk_grafana.provisioning(policy),
        "docs/runbooks": runbooks(policy),
        "docs/reference": reference(policy),
    }


def drifts(policy: Policy, root: Path) -> Iterator[Drift]:
    """Every difference between the tree and what the policy says, stray files included."""
    return compare(folders(policy), root, _beside(policy))


def _beside(policy: Policy) -> frozenset[str]:
    """Folders that the policy has people keep secrets in, beside generated files."""
    named = (policy.alerting.auth.token_files_path, policy.alerting.second_way.secrets_path)
    return frozenset(name for name in named if not Path(name).is_absolute())


def compare(wanted: Artefacts, root: Path, beside: frozenset[str] = frozenset()) -> Iterator[Drift]:
    """Every difference between a tree and what it should hold, stray files included.

    Nothing is stray in a folder of secrets (``beside``) that no generated file is in.
    """
    for folder, files in wanted.items():
        for name, text in sorted(files.items()):
            path = root / folder / name
            label = f"{folder}/{name}"
            if not path.is_file():
                yield Drift(label, "missing", _diff(label, "", text))
                continue
            # Byte by byte: what is read as text may hide ends of lines.
            found = path.read_bytes()
            kept = _with_names_kept(text, path)
            if found != kept.encode():
                yield Drift(label, "changed", _diff(label, _shown(found), kept))
        for path in _entries(root / folder):
            name = path.relative_to(root / folder).as_posix()
            is_secret = any(
                name.startswith(f"{place}/") and not any(x.startswith(f"{place}/") for x in files)
                for place in beside
            )
            if name not in files and not is_secret:
                yield Drift(f"{folder}/{name}", "stray", "")


def write(policy: Policy, root: Path) -> list[Drift]:
    """Make the tree what the policy says; returns what had to change."""
    return settle(folders(policy), root, _beside(policy))


def settle(wanted: Artefacts, root: Path, beside: frozenset[str] = frozenset()) -> list[Drift]:
    """Make a tree hold what it should and nothing else; returns what had to change.

    Stray files are removed: a rule file that nothing generates would be loaded all the same.
    """
    found = list(compare(wanted, root, beside))
    for drift in found:
        path = root / drift.path
        if drift.kind == "stray":
            path.unlink()
            continue
        if path.is_dir():
            words = "a folder stands where a generated file belongs; move it away"
            raise IsADirectoryError(errno.EISDIR, words, str(path))
        folder = next(name for name in wanted if drift.path.startswith(name + "/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _with_names_kept(wanted[folder][drift.path.removeprefix(folder + "/")], path)
        staging = path.with_name(f".{path.name}.new")
        staging.write_text(text, encoding="utf-8")
        staging.replace(path)
    return found


def _with_names_kept(wanted: str, path: Path) -> str:
    """A file's text; a rule file's with the names that `riskwarden align` chose on this machine."""
    if path.parent.name != RULES_FOLDER or not path.is_file():
        return wanted
    return phase.kept(wanted, path.read_text(encoding="utf-8", errors="replace"))


def _entries(folder: Path) -> list[Path]:
    """Everything below a folder but folders themselves; links are not followed, and count."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _shown(found: bytes) -> str:
    """A file as a diff shows it: what is no UTF-8, and every carriage return, written out."""
    return found.decode("utf-8", "backslashreplace").replace("\r", "\\r")


def _diff(label: str, found: str, wanted: str) -> str:
    lines = difflib.unified_diff(
        found.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        label,
        label + " (policy)",
    )
    return "".join(lines)
