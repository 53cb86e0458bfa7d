"""The table of commands: all of them are listed, and each waits for its own imports alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import typer
from rich.emoji import Emoji

from riskwarden.app import application


def riskwarden(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "riskwarden", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command() -> None:
    shown = riskwarden("--help").stdout
    listed = {line.split()[1] for line in shown.splitlines() if line.startswith("│ ")}
    assert listed >= {"run", "generate", "backtest", "kill", "status", "ack", "unack", "acks"}
    assert listed >= {"policy", "rules", "audit", "channels", "token"}


def told(command: Any) -> Iterator[str]:
    """What help says of a command, its options, and those below it."""
    yield command.help or ""
    yield from (getattr(one, "help", None) or "" for one in command.params)
    for inner in getattr(command, "commands", {}).values():
        yield from told(inner)


def test_no_help_has_a_picture_in_the_place_of_words() -> None:
    """Help is shown with emoji, and `drawdown/main:warning:1` holds the name of one."""
    texts = list(told(typer.main.get_command(application())))
    assert len(texts) > 200
    assert [text for text in texts if Emoji.replace(text) != text] == []


def test_a_mistyped_command_is_met_with_what_was_meant() -> None:
    done = riskwarden("kil")
    assert done.returncode == 2
    assert "Did you mean 'kill'" in done.stderr


def test_a_kill_does_not_wait_for_what_other_commands_import() -> None:
    done = riskwarden("kill", "--help", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "riskwarden.stack.layout" in imported
    assert not imported & {"numpy", "promql_parser", "jinja2", "risk_rules"}


INTERRUPTED = """
import sys

class Impatient:
    def find_spec(self, name, *_):
        if name == "riskwarden.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from riskwarden.__main__ import main
main()
"""


def test_ctrl_c_before_the_command_has_begun_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
