"""What is generated and committed is held against the tree byte by byte and name by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from risk_policy import default_policy_path, load_policy
from riskwarden.artefacts import Drift, compare, drifts, settle, write

WANTED = {"rules/generated": {"rules/drawdown.yml": "groups: []\n# größer\n"}}
FILE = "rules/generated/rules/drawdown.yml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder that holds what it should."""
    settle(WANTED, tmp_path)
    assert list(compare(WANTED, tmp_path)) == []
    return tmp_path


def only_drift(tree: Path) -> Drift:
    (drift,) = compare(WANTED, tree)
    return drift


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("groups: []\r\n# größer\r\n".encode(), "-groups: []\\r\n"),
        ("groups: []\r# größer\n".encode(), "-groups: []\\r# größer\n"),
        ("groups: []\n# größer\n".encode("latin-1"), "-# gr\\xf6\\xdfer\n"),
        ("\ufeffgroups: []\n# größer\n".encode(), "-\ufeffgroups: []\n"),
        ("groups: []\n# größer".encode(), "-# größer"),
    ],
    ids=["ends of lines", "an end of old", "another encoding", "a byte order mark", "no end"],
)
def test_a_hand_edit_that_leaves_the_text_readable_alike_is_shown_and_made_good(
    tree: Path, content: bytes, shown: str
) -> None:
    (tree / FILE).write_bytes(content)
    drift = only_drift(tree)
    assert (drift.path, drift.kind) == (FILE, "changed")
    assert shown in drift.diff
    settle(WANTED, tree)
    assert list(compare(WANTED, tree)) == []


@pytest.mark.parametrize("target", ["nowhere", "elsewhere"])
def test_a_stray_link_is_found_and_removed_but_not_what_it_leads_to(
    tree: Path, target: str
) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "elsewhere/mine.yml").touch()
    stray = tree / "rules/generated/rules/mine.yml"
    stray.symlink_to(tree / target)
    drift = only_drift(tree)
    assert (drift.path, drift.kind) == ("rules/generated/rules/mine.yml", "stray")
    settle(WANTED, tree)
    assert not stray.is_symlink()
    assert (tree / "elsewhere/mine.yml").exists()


def test_a_folder_in_place_of_a_generated_file_is_named_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "generated/rules.yml"
    (mine / "notes").mkdir(parents=True)
    with pytest.raises(OSError, match="a folder stands where a generated file belongs") as refused:
        settle({"generated": {"rules.yml": "groups: []\n"}}, tmp_path)
    assert refused.value.filename == str(mine)
    assert [path.name for path in mine.parent.iterdir()] == ["rules.yml"]


def test_secrets_that_a_generated_file_wants_beside_it_are_left_there(tmp_path: Path) -> None:
    """prometheus.yml names secrets/alert_feed_token, and whoever put it there has it still."""
    policy = load_policy(default_policy_path(), {})
    token = tmp_path / "rules/generated/secrets/alert_feed_token"
    token.parent.mkdir(parents=True)
    token.write_text("a token", encoding="utf-8")
    assert {one.kind for one in write(policy, tmp_path)} == {"missing"}, "nothing is stray"
    assert list(drifts(policy, tmp_path)) == []
    assert token.read_text(encoding="utf-8") == "a token"


def test_a_folder_of_secrets_hides_no_rule_file(tree: Path) -> None:
    mine = tree / "rules/generated/rules/mine.yml"
    mine.touch()
    (drift,) = compare(WANTED, tree, frozenset({"rules"}))
    assert (drift.path, drift.kind) == ("rules/generated/rules/mine.yml", "stray")
