"""`riskwarden generate --check` is green on a clean tree and red after anything else."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import nursery
import pytest

ROOT = Path(__file__).parents[2]
GENERATED = (
    "rules/generated",
    "alertmanager/generated",
    "grafana/generated",
    "grafana/provisioning",
    "docs/runbooks",
    "docs/reference",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the policy and of what is generated from it."""
    (tmp_path / "policy").mkdir()
    shutil.copy(ROOT / "policy/alerting.toml", tmp_path / "policy")
    for folder in GENERATED:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def generate(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return nursery.run("riskwarden", "generate", *arguments, cwd=tree)


def generated(tree: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for folder in GENERATED
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_whatever_is_not_as_generated_is_red_and_named_until_generated(tree: Path) -> None:
    replace(tree / "rules/generated/rules/drawdown.yml", "> 0.2,", "> 0.9,")
    stray = tree / "rules/generated/rules/mine.yml"
    stray.write_text("groups: []\n", encoding="utf-8")
    missing = tree / "alertmanager/generated/alertmanager.yml"
    missing.unlink()
    checked = generate(tree, "--check")
    assert checked.returncode == 1
    assert "rules/drawdown.yml (changed)" in checked.stderr
    # As docs/troubleshooting.md quotes it.
    said = " ".join(checked.stderr.split())
    assert re.search("generated files differ from .*; run: riskwarden generate", said)
    assert "\n-" in checked.stdout
    assert "0.9" in checked.stdout
    assert "mine.yml (stray)" in checked.stderr
    assert "alertmanager.yml (missing)" in checked.stderr
    assert stray.exists(), "a check changes nothing"
    assert not missing.exists(), "a check changes nothing"

    assert generate(tree).returncode == 0
    assert generated(tree) == generated(ROOT), "what is committed is what the policy says"


@pytest.mark.long
def test_an_edit_of_the_policy_is_red_until_generated_be_it_a_mere_comment(tree: Path) -> None:
    replace(tree / "policy/alerting.toml", "# Riskwarden's policy", "# Our policy")
    assert generate(tree, "--check").returncode == 1
    edit = ("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 11")
    replace(tree / "policy/alerting.toml", *edit)
    assert generate(tree).returncode == 0
    assert generate(tree, "--check").returncode == 0


def test_a_broken_policy_changes_nothing(tree: Path) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*.yml")}
    replace(tree / "policy/alerting.toml", "max_drawdown_warning_pct = 10", "max_drawdown = 10")
    done = generate(tree)
    assert done.returncode == 1
    assert "unknown key" in done.stderr
    assert {path: path.read_bytes() for path in tree.rglob("*.yml")} == before
