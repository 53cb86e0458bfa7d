"""What others chose to write does not steer the terminal that it is read in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from free_ports import free_port
from loopback_http import LoopbackServer, Reply
from typer.testing import CliRunner

from riskwarden.app import application
from riskwarden.status_words import kills_and_gate

EVIL = "drawdown\x1b[2J\x9b31m\u202e/[red]main"
SHOWN = "drawdown\\u001b[2J\\u009b31m\\u202e/[red]main"
SILENCE = {
    "incident": None, "matchers": [EVIL], "standing": "ACTIVE", "is_acknowledgement": False,
    "until": "2026-03-01T12:00:00+00:00", "author": "a", "comment": "c", "too_broad": [],
}  # fmt: skip
LETTER = {
    "number": 1, "channel": "slack", "subject": EVIL, "kind": "firing", "fate": "lost", "by": "",
    "given_up_at": "2026-03-01T12:00:00+00:00", "reason": "too_long",
}  # fmt: skip


@pytest.mark.parametrize(
    ("scopes", "held", "told"),
    [
        ([], [], "open, lease"),
        (["account=main"], [], "open but for what is killed, lease"),
        ([], [{"id": "r9"}], "open but for what alerts hold, lease"),
        (
            ["account=main"],
            [{"id": "r9"}],
            "open but for what is killed and what alerts hold, lease",
        ),
    ],
)
def test_a_gate_that_is_open_in_part_is_not_called_open(
    scopes: list[str], held: list[dict[str, str]], told: str
) -> None:
    kill: dict[str, object] = {
        "kill_id": "k", "mode": "pause", "state": "TRIPPED", "since": None, "cause": "c",
        "level": "operator", "waiting_for_accounts": [], "on_record": True,
    }  # fmt: skip
    status = {
        "kill_switch": {"state": "ARMED", "kills": [{**kill, "scope": one} for one in scopes]},
        "gate": {"halted": False, "open": True, "lease_withheld": [], "lease_remaining_seconds": 3},
        "restrictions": held,
    }
    *_, gate = kills_and_gate(status)
    assert gate.text.startswith(told)


def test_what_somebody_has_taken_on_is_never_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is what `unack` takes."""
    name = "alerts_undelivered/http://127.0.0.1:9465/api/v2/alerts:critical:1"
    taken = {**SILENCE, "incident": name, "is_acknowledgement": True, "comment": "on it " * 40}
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    with LoopbackServer() as server:
        server.instead = lambda _: Reply(200, json.dumps({"silences": [taken]}))
        given = ["acks", "--receivers", server.url]
        done = CliRunner().invoke(application(given), given)
    assert name in done.stdout


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("pause", "Positions stay open: somebody has to manage them"),
        ("graceful", "What is open closes at its targets"),
        ("immediate", "Check that the account is flat"),
    ],
)
def test_a_kill_says_what_becomes_of_open_positions(
    monkeypatch: pytest.MonkeyPatch, mode: str, told: str
) -> None:
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    answer = {"kill_id": "k", "mode": mode, "already_tripped": False}
    with LoopbackServer() as server:
        server.instead = lambda _: Reply(200, json.dumps(answer))
        given = ["kill", "--mode", mode, "--reason", "x", "--receivers", server.url]
        done = CliRunner().invoke(application(given), given)
    assert told in done.stdout
    assert ("is flat" in done.stdout) == (mode == "immediate")


def test_status_says_what_holds_while_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    (tmp_path / "p.toml").write_text("[alerting.gate]\nlease_seconds = 7")
    policy = str(tmp_path / "p.toml")
    given = ["status", "--receivers", f"127.0.0.1:{free_port()}", "--policy", policy]
    done = CliRunner().invoke(application(given), given)
    assert done.exit_code == 1
    for told in ("does not answer", "within 7 s", "open positions stay", "riskwarden kill"):
        assert told in done.stderr


@pytest.mark.parametrize(
    ("command", "answer", "code"),
    [
        (["acks"], {"silences": [SILENCE]}, 200),
        (["channels", "dead-letters"], {"dead_letters": [LETTER]}, 200),
        (["unack", "x:y:1", "--comment", "c"], {"detail": EVIL}, 409),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_stands_in_an_answer_is_shown_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, command: list[str], answer: dict[str, object], code: int
) -> None:
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    with LoopbackServer() as server:
        server.instead = lambda _: Reply(code, json.dumps(answer))
        given = [*command, "--receivers", server.url]
        done = CliRunner().invoke(application(given), given)
    assert SHOWN in "".join((done.stdout + done.stderr).replace("│", "").split())
