"""`riskwarden token`: give somebody a token of their own, see who has one, take it back."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.contracts.operator import GIVEN_TOKEN
from risk_policy.vocabulary import Role
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, err, fail, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name, printable

app = typer.Typer(help="Tokens of people and programs: who may do what.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Whose it is, e.g. ann; it goes on record.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes on record.")]


@app.command()
def create(
    name: NameArgument,
    roles: Annotated[
        list[Role], typer.Option("--role", help="What they are; may be given several times.")
    ],
    days: Annotated[
        float | None,
        typer.Option("--days", help="How long it lasts.", show_default="by the policy"),
    ] = None,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Make a token. It is shown this once, alone on standard output, and kept nowhere."""
    body: dict[str, object] = {
        "name": printable(name),
        "roles": [role.value for role in roles],
        "actor": operator_name(),
        "reason": printable(reason),
    }
    if days is not None:
        body["days"] = days
    answer = Operator(data, policy, receivers).ask("POST", "/api/v1/tokens", body)
    err.print(
        f"token [bold]{escape(answer['name'])}[/] of {' and '.join(answer['roles'])}, good until "
        f"{_shown(answer['expires_at'])}. It is shown this once; whoever has it sets it as "
        "RISKWARDEN_TOKEN, or its file's path as RISKWARDEN_TOKEN_FILE:"
    )
    typer.echo(answer["token"])


@app.command(name="list")
def listing(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are no good any more, too.")
    ] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show who has a token: of which roles, until when, made by whom, used when."""
    found = Operator(data, policy, receivers).ask("GET", "/api/v1/tokens")["tokens"]
    shown = [one for one in found if everything or not one["fault"]]
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    if not shown:
        out.print("nobody has a token of their own; make one with riskwarden token create")
        return
    table = Table("name", "roles", "good until", "made", "used last")
    for one in shown:
        table.add_row(*map(escape, _row(one)))
    out.print(table)


@app.command()
def revoke(
    name: NameArgument,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Take a token back: it is no good from this moment on."""
    if re.search(GIVEN_TOKEN, name):  # a path is what everybody logs
        fail("that is a token itself, and now in your shell's history: name whose it is")
    body = {"actor": operator_name(), "reason": printable(reason)}
    path = f"/api/v1/tokens/{quote(printable(name), safe='')}"
    Operator(data, policy, receivers).ask("DELETE", path, body)
    out.print(f"the token {escape(name)} is revoked, on record")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    until = _shown(one["expires_at"])
    if one["revoked_at"]:
        until = f"revoked {_shown(one['revoked_at'])}"
    elif one["fault"]:
        until = f"expired {until}"
    made = f"{_shown(one['created_at'])} by {one['created_by']}"
    used = _shown(one["last_used_at"]) if one["last_used_at"] else "never"
    return one["name"], ", ".join(one["roles"]), until, made, used


def _shown(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
