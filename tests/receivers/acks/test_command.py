"""`riskwarden ack`, `unack` and `acks` against running receivers and Alertmanager."""

from __future__ import annotations

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
    done = call(people, "ack", WARNING, "--for", "2h", "--comment", "[on it]", "--author", "olga")
    assert done.returncode == 0, done.stderr
    assert f"acknowledged {WARNING} until" in done.stdout
    assert "drawdown/main, tier warning" in done.stdout
    assert "drawdown/main, tier critical: people are told" in done.stdout
    assert people.incident()["state"] == "ACKNOWLEDGED"

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
