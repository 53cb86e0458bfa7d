"""`riskwarden policy check|show|schema`, as a person sees them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nursery
import pytest

from risk_policy import default_policy_path

DEFAULT = str(default_policy_path())


def policy(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return nursery.run(
        "riskwarden", "policy", *arguments, environ={**os.environ, "COLUMNS": "200", **environ}
    )


def test_a_valid_policy_is_summed_up_with_its_digest() -> None:
    done = policy("check", DEFAULT)
    assert done.returncode == 0
    assert "31 limits, 52 tiers" in done.stdout


def test_what_the_receivers_would_refuse_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(
        "[alerting]\nenabled = false\n"
        "[alerting.channels.email]\nenabled = true\nto_addresses = ['a@b.c']\n"
        "[alerting.channels.slack]\nenabled = true\n",
        encoding="utf-8",
    )
    variables = ("SMTP_HOST", "SLACK_WEBHOOK_URL")
    done = policy("check", str(path), **dict.fromkeys(variables, "very-secret"))
    assert done.returncode == 1
    assert f"{path}:2: alerting.enabled = false: " in done.stderr
    assert "1 problem; the receivers would not start" in done.stderr
    assert "valid" not in done.stdout
    assert "very-secret" not in done.stderr


def test_mail_to_nobody_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text("[alerting.channels.email]\nenabled = true\nto_addresses = []\n")
    done = policy("check", str(path), SMTP_HOST="mail")
    assert done.returncode == 1
    assert f"{path}:3: alerting.channels.email.to_addresses = []: is empty" in done.stderr


def test_of_a_valid_policy_whose_keys_all_have_an_effect_nothing_else_is_said(
    tmp_path: Path,
) -> None:
    path = tmp_path / "desk.toml"
    text = "[alerting.gate]\nlease_seconds = 4\n[alerting.dashboard]\nenabled = false\n"
    path.write_text("\ufeff" + text, encoding="utf-8")
    done = policy("check", str(path))
    assert done.returncode == 0
    assert "valid" in done.stdout
    assert done.stderr == ""


def test_a_policy_that_tells_nobody_is_named(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    off = "".join(f"[alerting.channels.{name}]\nenabled = false\n" for name in ("console", "file"))
    path.write_text(f"[alerting.security]\nintrusion_count = 2\n{off}", encoding="utf-8")
    done = policy("check", str(path))
    assert done.returncode == 0
    (silent,) = done.stderr.splitlines()
    assert silent == f"{path}: no channel is enabled: everything is recorded, and nobody is told"


def test_every_problem_is_printed_and_the_command_fails(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text("[alerting]\ncolour = 1\nenabled = 'yes please'\n", encoding="utf-8")
    done = policy("check", str(path))
    assert done.returncode == 1
    assert f"{path}:2: alerting.colour = 1: unknown key" in done.stderr
    assert f"{path}:3: alerting.enabled" in done.stderr
    assert "2 problems" in done.stderr


def test_show_tells_file_from_default_and_never_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text("\ufeff[alerting.gate]\nlease_seconds = 4\n", encoding="utf-8")
    done = policy("show", str(path), RISKWARDEN_OPERATOR_TOKEN="very-secret")
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if "alerting." in line}
    assert "file" in lines["alerting.gate.lease_seconds"]
    assert "default" in lines["alerting.gate.renew_seconds"]
    assert "${RISKWARDEN_OPERATOR_TOKEN}" in lines["alerting.auth.operator_token"]
    assert "very-secret" not in done.stdout


def test_show_as_json_carries_the_digest() -> None:
    shown = json.loads(policy("show", DEFAULT, "--json").stdout)
    assert len(shown["sha256"]) == 64
    assert shown["alerting"]["thresholds"]["portfolio"]["max_drawdown_emergency_pct"] == 20


def test_the_schema_describes_the_file() -> None:
    schema = json.loads(policy("schema").stdout)
    assert set(schema["properties"]) == {"alerting", "extends"}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("arguments", [("kill", "--mode", "now", "--reason", "x"), ("kill",)])
def test_a_kill_without_mode_or_reason_says_what_is_needed(arguments: tuple[str, ...]) -> None:
    done = nursery.run("riskwarden", *arguments)
    assert done.returncode == 2
    assert "--mode" in done.stderr or "--reason" in done.stderr


def test_a_kill_that_reaches_nobody_fails_loudly(tmp_path: Path) -> None:
    environ = {**os.environ, "RISKWARDEN_OPERATOR_TOKEN": "t"}
    done = nursery.run(
        "riskwarden",
        *("kill", "--mode", "immediate", "--reason", "x"),
        *("--receivers", "http://127.0.0.1:1", "--data", str(tmp_path)),
        environ=environ,
    )
    assert done.returncode == 1
    assert "does not answer" in done.stderr
