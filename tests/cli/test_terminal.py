"""What others chose to write does not steer the terminal that it is read in."""

from __future__ import annotations

import json

import pytest
from loopback_http import LoopbackServer, Reply
from typer.testing import CliRunner

from riskwarden.app import application

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
