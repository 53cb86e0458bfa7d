"""`riskwarden generate --check` is green on a clean tree and red after anything else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ("rules/generated", "alertmanager/generated")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the policy and of what is generated from it."""
    (tmp_path / "policy").mkdir()
    shutil.copy(ROOT / "policy/alerting.toml", tmp_path / "policy")
    for folder in GENERATED:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def generate(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "riskwarden", "generate", *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_committed_files_are_what_the_policy_says(tree: Path) -> None:
    checked = generate(tree, "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_hand_edit_is_shown_as_a_diff(tree: Path) -> None:
    rules = tree / "rules/generated/rules/drawdown.yml"
    replace(rules, "> 0.2,", "> 0.9,")
    checked = generate(tree, "--check")
    assert checked.returncode == 1
    assert "rules/drawdown.yml (changed)" in checked.stderr
    assert "\n-" in checked.stdout
    assert "0.9" in checked.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 11"),
        ("# Riskwarden's policy", "# Our policy"),
    ],
    ids=["a threshold", "a comment"],
)
def test_a_policy_edit_without_regeneration_is_red_until_generated(
    tree: Path, old: str, new: str
) -> None:
    replace(tree / "policy/alerting.toml", old, new)
    assert generate(tree, "--check").returncode == 1
    assert generate(tree).returncode == 0
    assert generate(tree, "--check").returncode == 0


def test_a_stray_file_is_red_and_removed_by_generating(tree: Path) -> None:
    stray = tree / "rules/generated/rules/mine.yml"
    stray.write_text("groups: []\n", encoding="utf-8")
    checked = generate(tree, "--check")
    assert checked.returncode == 1
    assert "mine.yml (stray)" in checked.stderr
    assert stray.exists()
    assert generate(tree).returncode == 0
    assert not stray.exists()


def test_a_missing_file_is_red(tree: Path) -> None:
    (tree / "alertmanager/generated/alertmanager.yml").unlink()
    checked = generate(tree, "--check")
    assert checked.returncode == 1
    assert "alertmanager.yml (missing)" in checked.stderr


def test_a_broken_policy_changes_nothing(tree: Path) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*.yml")}
    replace(tree / "policy/alerting.toml", "max_drawdown_warning_pct = 10", "max_drawdown = 10")
    done = generate(tree)
    assert done.returncode == 1
    assert "unknown key" in done.stderr
    assert {path: path.read_bytes() for path in tree.rglob("*.yml")} == before
