"""`riskwarden user`, against a running service."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pyotp
import pytest
from typer.testing import CliRunner, Result

from riskwarden.app import application

PASSWORD = "a slow train to Trieste"


def riskwarden(*arguments: object, given: str | None = None) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(application(words), words, input=given)


class Authenticator(io.StringIO):
    """Reads off the screen what there is to scan, and types the code."""

    def __init__(self, screen: io.StringIO) -> None:
        super().__init__()
        self.screen = screen

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        return f"{scanned(self.screen.getvalue()).now()}\n"[:size]


def scanned(shown: str) -> pyotp.TOTP:
    totp = pyotp.parse_uri(re.findall(r"otpauth://\S+", shown)[-1])
    assert isinstance(totp, pyotp.TOTP)
    return totp


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("APPROVER_TOKEN", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"RISKWARDEN_{name}", raising=False)
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def logs_in(receivers: Any, name: str, password: str = PASSWORD) -> bool:
    body = {"name": name, "password": password}
    answer = receivers.call("POST", "/api/v1/session", token="", json=body)
    receivers.client.cookies.clear()
    assert answer.status_code in (200, 401), answer.text
    return bool(answer.status_code == 200)


@pytest.mark.usefixtures("shell")
def test_a_user_is_made_shown_changed_shut_out_and_removed_by_commands(
    receivers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--receivers", receivers.url)

    def done(*words: object, given: str | None = None) -> str:
        result = riskwarden("user", *words, *where, given=given)
        assert result.exit_code == 0, result.output
        assert PASSWORD not in result.output
        return result.output

    assert "riskwarden user add NAME --role admin" in done("list")
    asked = riskwarden("user", "add", "ann", "--role", "admin", *where)
    assert (asked.exit_code, "--password-file" in asked.output) == (2, True)
    short = ("user", "add", "ann", "--role", "admin", "--password-file", "-", *where)
    refused = riskwarden(*short, given="short\n")
    assert (refused.exit_code, "15 characters" in refused.output) == (1, True)
    made = done("add", "ann", "--role", "admin", "--password-file", "-", given=f"{PASSWORD}\n")
    assert "user ann of admin may log in" in made
    assert logs_in(receivers, "ann")
    assert "127.0.0.1" in done("sessions", "ann")
    assert "1 session ended" in done("logout", "ann")
    assert "logged in nowhere" in done("sessions", "ann")

    screen = io.StringIO()
    monkeypatch.setattr("sys.stdin", Authenticator(screen))
    with redirect_stdout(screen):
        words = ["user", "totp", "ann", *where]
        application(words)(words, standalone_mode=False)
    assert "█" in screen.getvalue(), "a picture"
    assert not logs_in(receivers, "ann")
    assert "yes" in done("list")
    assert "a password is enough" in done("totp", "ann", "--off")

    file = tmp_path / "password"
    file.write_text("another slow train\n")
    done("password", "ann", "--password-file", file)
    assert logs_in(receivers, "ann", "another slow train")
    assert "auditor now" in done("roles", "ann", "--role", "auditor")
    assert "is out, on record" in done("disable", "ann", "--reason", "left the desk")
    assert "ann (disabled)" in done("list")
    assert not logs_in(receivers, "ann", "another slow train")
    done("enable", "ann")
    done("remove", "ann")
    gone = riskwarden("user", "remove", "ann", *where)
    assert (gone.exit_code, "no user named ann" in gone.output) == (1, True)
    assert PASSWORD not in receivers.log
    receivers.stop()
    assert [kind for kind in receivers.event_types() if kind.startswith("USER_")] == [
        *("USER_CREATED", "USER_CHANGED", "USER_CHANGED", "USER_CHANGED", "USER_CHANGED"),
        *("USER_DISABLED", "USER_ENABLED", "USER_REMOVED"),
    ]
    assert receivers.verified().ok
