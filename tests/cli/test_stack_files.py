"""What the local stack writes down, who may read it, and what it leaves of before."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from risk_policy import parse_policy
from riskwarden.stack.layout import Layout, StackError, new_run
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import Stack

POLICY = b"""
[alerting.channels.slack]
enabled = true
[alerting.channels.telegram]
enabled = true
"""
SECRETS = {
    "SLACK_WEBHOOK_URL": "https://hooks.example.com/secret-of-slack",
    "TELEGRAM_BOT_TOKEN": "1:secret-of-telegram",
    "TELEGRAM_CHAT_ID": "42",
}


def test_alertmanager_gets_its_secrets_in_a_file_that_nobody_else_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    policy = parse_policy(POLICY)
    layout = Layout(tmp_path)
    layout.create()
    open_to_all = layout.alertmanager_config
    open_to_all.write_text("left by an older version")
    open_to_all.chmod(0o644)
    with Processes(layout.log) as processes:
        Stack(policy, layout, processes)._configure()
    holding = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and "secret-of" in path.read_text(encoding="utf-8")
    ]
    assert holding == [layout.alertmanager_config]
    assert stat.S_IMODE(layout.alertmanager_config.stat().st_mode) == 0o600
    (_, own) = yaml.safe_load(layout.alertmanager_config.read_text())["receivers"]
    assert own["slack_configs"][0]["api_url"] == SECRETS["SLACK_WEBHOOK_URL"]
    assert own["telegram_configs"][0]["bot_token"] == SECRETS["TELEGRAM_BOT_TOKEN"]
    assert own["telegram_configs"][0]["chat_id"] == 42


def test_no_rule_of_an_earlier_version_stays_in_a_folder_that_is_used_again(
    tmp_path: Path,
) -> None:
    policy = parse_policy(b"")
    layout = Layout(tmp_path)
    layout.create()
    stray = layout.prometheus / "rules" / "retired.yml"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("groups: []\n")
    samples = layout.prometheus / "data" / "chunk"
    samples.parent.mkdir()
    samples.write_text("kept")
    with Processes(layout.log) as processes:
        Stack(policy, layout, processes)._configure()
    assert not stray.exists()
    assert (stray.parent / "drawdown.yml").is_file()
    assert samples.read_text() == "kept"


def test_runs_that_begin_within_one_second_have_a_folder_each(tmp_path: Path) -> None:
    now = datetime(2026, 3, 2, 15, 0, 7, tzinfo=UTC)
    folders = [new_run(tmp_path / "var", now) for _ in range(3)]
    assert [folder.name for folder in folders] == [
        "run-20260302-150007", "run-20260302-150007-2", "run-20260302-150007-3",
    ]  # fmt: skip
    assert all(folder.is_dir() for folder in folders)


def test_a_file_in_place_of_the_folder_of_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(StackError, match="var"):
        new_run(tmp_path / "var", datetime.now(UTC))
