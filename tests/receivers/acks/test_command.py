"""`riskwarden ack`, `unack` and `acks` against running receivers and Alertmanager."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import nursery
from rich.text import Text

WARNING = "drawdown/main:warning:1"


def call(people: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    receivers = people.receivers
    where = ("--policy", str(receivers.policy), "--receivers", receivers.url)
    done = nursery.run("riskwarden", *arguments, *where, environ=receivers.environ)
    done.stdout = Text.from_ansi(done.stdout).plain
    return done


def test_an_incident_is_acknowledged_listed_and_given_back_from_the_command_line(
    people: Any,
) -> None:
    people.fire()
    people.await_told("firing")

    # Woken at night: which is it, who has it, and what if I have its name wrong?
    def status() -> str:
        return call(people, "status").stdout

    assert re.search(f"^{WARNING}  DRAWDOWN_WARNING, .*; nobody has taken it on$", status(), re.M)
    assert "riskwarden ack INCIDENT" in status()
    for wrong in ("DRAWDOWN_WARNING", "drawdown/main", "drawdown/main:warning"):
        done = call(people, "ack", wrong, "--comment", "on it")
        assert done.returncode == 2
        assert f"{wrong}' is no incident; write RISK_ID:TIER:EPISODE" in done.stderr
        assert "riskwarden status" in done.stderr

    done = call(people, "ack", WARNING, "--for", "2h", "--comment", "[on it]", "--author", "olga")
    assert done.returncode == 0, done.stderr
    assert f"acknowledged {WARNING} until" in done.stdout
    assert "drawdown/main, tier warning" in done.stdout
    assert "drawdown/main, tier critical: people are told" in done.stdout
    assert people.incident()["state"] == "ACKNOWLEDGED"

    assert re.search(rf"^{WARNING} .*; olga has it until .*: \[on it\]$", status(), re.M)
    assert "riskwarden ack INCIDENT" not in status()

    listed = call(people, "acks")
    assert WARNING in listed.stdout
    assert "[on it]" in listed.stdout

    too_long = call(people, "ack", WARNING, "--for", "99h", "--comment", "x")
    assert too_long.returncode == 1
    assert "max_minutes" in too_long.stderr

    assert call(people, "unack", WARNING, "--comment", "wrong one").returncode == 0
    assert people.incident()["state"] == "DISPATCHED"
    assert "nothing is acknowledged" in call(people, "acks").stdout
    assert (
        "lapsed" in (everything := call(people, "acks", "--all").stdout) or "removed" in everything
    )
