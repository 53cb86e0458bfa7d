"""`riskwarden channels dead-letters`: what was given up, and sending it again."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from riskwarden.commands.channel_health import AuthorOption
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name

app = typer.Typer(help="See what was given up, and send it again.")
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: JsonOption = False,
) -> None:
    """See what was given up, and send it again."""
    if context.invoked_subcommand is None:
        _list(data, policy, receivers, as_json=as_json)


@app.command(name="list")
def listing(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every message that was given up, the latest first, and what became of it."""
    _list(data, policy, receivers, as_json=as_json)


@app.command()
def resend(
    message: Annotated[
        int | None, typer.Argument(help="The message's number.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that nobody was told of.")] = False,
    author: AuthorOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Send what was given up once more, on record; never what somebody has confirmed."""
    if everything == (message is not None):
        fail("name one message, or --all")
    body = {"author": author or operator_name(), "message": message}
    answer = Operator(data, policy, receivers).ask("POST", "/api/v1/dead-letters/resend", body)
    sent = answer["resent"]
    if not sent:
        out.print("there is nothing that nobody was told of")
        return
    numbers = ", ".join(map(str, sent))
    out.print(f"sent again: {numbers}; see riskwarden channels health for whether it arrives")


@app.command()
def dismiss(
    messages: Annotated[list[int], typer.Argument(help="The messages' numbers.")],
    comment: Annotated[str, typer.Option("--comment", help="Why; it goes on record.")],
    author: AuthorOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Let messages be that nobody waits for any more, on record."""
    operator = Operator(data, policy, receivers)
    for message in messages:
        body = {"author": author or operator_name(), "comment": comment, "message": message}
        operator.ask("POST", "/api/v1/dead-letters/dismiss", body)
        out.print(f"message {message} is dismissed, on record")


def _list(data: Path, policy: Path | None, receivers: str | None, *, as_json: bool) -> None:
    found = Operator(data, policy, receivers).ask("GET", "/api/v1/dead-letters")
    letters = found["dead_letters"]
    if as_json:
        typer.echo(json.dumps(letters, indent=2))
        return
    if not letters:
        out.print("nothing was given up")
        return
    table = Table("message", "channel", "about", "given up", "why", "what became of it")
    table.columns[-1].no_wrap = True
    for one in letters:
        at = datetime.fromisoformat(one["given_up_at"]).astimezone()
        cells = (
            *(str(one["number"]), one["channel"], f"{one['subject']} {one['kind']}"),
            *(at.strftime("%Y-%m-%d %H:%M:%S"), one["reason"]),
            _fate(one),
        )
        table.add_row(*map(escape, cells))
    out.print(table)


def _fate(one: dict[str, Any]) -> str:
    if one["by"]:
        return f"{one['fate']} by {one['by']}"
    return "nobody was told" if one["fate"] == "lost" else str(one["fate"])
