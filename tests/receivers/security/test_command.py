"""`riskwarden security`, against a running service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from riskwarden.app import application

#: Else this machine, from which all of it comes, would never be blocked.
POLICY = "[alerting.security.blocking]\nnever = []\n"


def riskwarden(*arguments: object) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(application(words), words)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("APPROVER_TOKEN", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"RISKWARDEN_{name}", raising=False)
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("shell")
def test_who_stands_out_is_shown_and_a_block_is_ended_by_commands(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(f"{stopped.policy.read_text()}{POLICY}")
    receivers = stopped.start()
    here = ("--policy", receivers.policy, "--receivers", receivers.url)
    calm = riskwarden("security", *here)
    assert calm.exit_code == 0, calm.output
    assert "no address stands out" in calm.output
    assert "nothing suspicious among the last" in calm.output
    assert "alerting.auth.operator_token" in calm.output, "nobody knows how old it is"
    assert "nobody knows" in calm.output
    for _ in range(12):
        receivers.call("GET", "/api/v1/system/status", token="wrong")
    wait_until(lambda: "ADDRESS_BLOCKED" in receivers.event_types())
    shown = riskwarden("security", *here)
    assert "127.0.0.1" in shown.output
    assert " of 90" in shown.output
    assert "for another " in shown.output
    assert "127.0.0.1 was refused" in shown.output
    told = json.loads(riskwarden("security", *here, "--json").stdout)
    assert told["addresses"][0]["blocked"]
    assert {sign["header"]["event_type"] for sign in told["signs"]} >= {"ADDRESS_BLOCKED"}
    assert "operator-secret" not in shown.output + json.dumps(told)
    lifted = riskwarden("security", "lift", "127.0.0.1", "--reason", "our own script", *here)
    assert lifted.exit_code == 0, lifted.output
    assert "127.0.0.1 is listened to again, on record" in lifted.output
    assert "no address stands out" in riskwarden("security", *here).output
    again = riskwarden("security", "lift", "127.0.0.1", *here)
    assert again.exit_code == 1
    assert "127.0.0.1 is not blocked" in again.output


@pytest.mark.usefixtures("shell")
def test_a_block_keeps_nobody_from_the_kill_switch_whose_first_token_is_an_old_one(
    stopped: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(f"{stopped.policy.read_text()}{POLICY}")
    receivers = stopped.start()
    here = ("--policy", receivers.policy, "--receivers", receivers.url)
    monkeypatch.setenv("RISKWARDEN_TOKEN", "an-old-one")
    for _ in range(10):  # a script that looks again and again
        assert riskwarden("security", *here).exit_code == 1
    wait_until(lambda: "ADDRESS_BLOCKED" in receivers.event_types())
    killed = riskwarden("kill", "--mode", "pause", "--reason", "a test", *here)
    assert killed.exit_code == 0, killed.output
    assert receivers.gate_says_halt()
