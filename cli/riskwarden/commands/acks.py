"""`riskwarden ack`, `unack` and `acks`: take an alert on, give it back, see who has which."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, names, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name, printable

#: Whatever labels are, and a number. What is none is no path of the API, which could only say so.
_INCIDENT: Final = re.compile(r"[\s\S]+:[\s\S]*:[1-9][0-9]{0,17}")
IncidentArgument = Annotated[
    str, typer.Argument(help="The incident, e.g. drawdown/main:critical:1, as messages name it.")
]
CommentOption = Annotated[str, typer.Option("--comment", help="Why; it goes on record.")]
AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who; you, unless given.", show_default=False)
]


def ack(
    incident: IncidentArgument,
    comment: CommentOption,
    lasting: Annotated[
        str | None,
        typer.Option("--for", help="For how long, e.g. 2h or 90m.", show_default="by the policy"),
    ] = None,
    author: AuthorOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Acknowledge an incident: quiet for a while, on record, escalation stopped."""
    body = {"comment": printable(comment), "author": author or operator_name()}
    if lasting is not None:
        body["for"] = lasting
    answer = Operator(data, policy, receivers).ask("POST", _path(incident), body)
    until = f"until {_shown(answer['until'])}"
    if answer["extended_until"]:
        until += f", while it is open until {_shown(answer['extended_until'])} at most"
    out.print(f"[bold green]acknowledged[/] {escape(incident)} {until}")
    for covered in answer["covers"]:
        out.print(f"  covers         {escape(covered)}")
    for not_covered in answer["does_not_cover"]:
        out.print(f"  does not cover {escape(not_covered)}")
    out.print(f"  take it back   riskwarden unack {escape(incident)} --comment ...")


def unack(
    incident: IncidentArgument,
    comment: CommentOption,
    author: AuthorOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Take an acknowledgement back: people are told again, escalation starts anew."""
    body = {"comment": printable(comment), "author": author or operator_name()}
    answer = Operator(data, policy, receivers).ask("DELETE", _path(incident), body)
    ended = len(answer["ended"])
    out.print(
        f"{escape(incident)} is no longer acknowledged: {ended} "
        f"silence{'s' if ended != 1 else ''} ended, on record"
    )


def acks(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are over, and plain silences, too.")
    ] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show who has acknowledged what until when, and silences that mute too much."""
    path = "/api/v1/silences" + ("?all=1" if everything else "")
    found = Operator(data, policy, receivers).ask("GET", path)["silences"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        out.print("nothing is acknowledged or silenced")
        return
    rows = [_row(one) for one in found]
    what = names("what", (row[0] for row in rows))
    table = Table(what, "standing", "until", "by", "comment", "too broad")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    what = one["incident"] or ", ".join(one["matchers"])
    standing = one["standing"].lower() if one["is_acknowledgement"] else "silence only"
    broad = "; ".join(one["too_broad"])
    return (what, standing, _shown(one["until"]), one["author"], one["comment"], broad)


def _path(incident: str) -> str:
    if not _INCIDENT.fullmatch(incident):
        fail(
            f"{incident!r} is no incident; write RISK_ID:TIER:EPISODE, as in "
            "drawdown/main:warning:1. What is open: riskwarden status"
        )
    return f"/api/v1/alerts/{quote(incident)}/acknowledge"


def _shown(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
