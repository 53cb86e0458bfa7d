"""`riskwarden channels health|test`: whether people can be told, and proof of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.quantities import duration
from risk_receivers.shapes.channels import Channel
from riskwarden.channel_words import is_sick, state_of
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name

#: Longer than the receivers wait for the slowest channel.
TEST_SECONDS: Final = 75.0
AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who; you, unless given.", show_default=False)
]


def health(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show how every channel fares. Ends with 1 if one fails, is late or gave messages up."""
    found = Operator(data, policy, receivers).ask("GET", "/api/v1/channels")
    channels: list[Channel] = found["channels"]
    if as_json:
        typer.echo(json.dumps(channels, indent=2))
    else:
        _show(channels)
    sick = [one["name"] for one in channels if is_sick(one)]
    if sick:
        fail(f"not well: {', '.join(sick)}", 1)


def try_out(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="The channels; all enabled ones unless given.", show_default=False),
    ] = None,
    author: AuthorOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Send a message marked as a test through channels. Ends with 1 unless all confirmed it."""
    body = {"author": author or operator_name(), "channels": names or []}
    answer = Operator(data, policy, receivers).ask(
        "POST", "/api/v1/channels/test", body, patience_seconds=TEST_SECONDS
    )
    failed: list[str] = []
    for result in answer["results"]:
        if result["confirmed"]:
            out.print(f"[bold green]confirmed[/] {escape(result['channel'])}")
        else:
            failed.append(result["channel"])
            out.print(f"[bold red]failed[/]    {escape(result['channel'])}: ", end="")
            out.print(result["error"], markup=False)
    if failed:
        fail(f"people cannot be told by {', '.join(failed)}", 1)


def _show(channels: list[Channel]) -> None:
    table = Table("channel", "state", "from", "last confirmed", "waiting", "dead")
    for column in table.columns:
        column.no_wrap = True
    for one in channels:
        table.add_row(*(escape(cell) for cell in _row(one)))
    out.print(table)
    for one in channels:
        if one["enabled"] and one["error"]:
            said = f"{one['name']}: last error {_shown(one['failed_at'])}: {one['error']}"
            out.print(said, markup=False)


def _row(one: Channel) -> tuple[str, ...]:
    if not one["enabled"]:
        return (one["name"], "off", "", "", "", str(one["dead_letters"] or ""))
    waiting = str(one["waiting"])
    if one["oldest_seconds"] is not None:
        waiting += f", the oldest for {duration(round(one['oldest_seconds']))}"
    return (
        one["name"],
        state_of(one),
        one["min_severity"],
        _shown(one["confirmed_at"]),
        waiting,
        str(one["dead_letters"]),
    )


def _shown(at: str | None) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "never"
