"""`riskwarden user`: who may log in with a name and a password, as what, and where they are."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.vocabulary import Role
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, err, fail, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name, printable

app = typer.Typer(help="People who log in: who they are and what they may.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Whose it is, e.g. ann; it goes on record.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes on record.")]
RoleOption = Annotated[
    list[Role], typer.Option("--role", help="What they are; may be given several times.")
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help="The password, in a file; - is standard input. Asked for twice unless given.",
    ),
]
#: Longer ones are refused anyway.
_MOST_CHARACTERS: Final = 4096


@app.command()
def add(
    name: NameArgument,
    roles: RoleOption,
    password_file: PasswordFileOption = None,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Make a user, who logs in with a name and a password."""
    body = {
        **_order(reason),
        "name": printable(name),
        "roles": [role.value for role in roles],
        "password": _password(name, password_file),
    }
    answer = Operator(data, policy, receivers).ask("POST", "/api/v1/users", body)
    out.print(
        f"user [bold]{escape(answer['name'])}[/] of {' and '.join(answer['roles'])} may log in. An "
        f"authenticator makes it safer: riskwarden user totp {escape(answer['name'])}"
    )


@app.command(name="list")
def listing(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show who may log in: of which roles, with an authenticator or without, when they did."""
    found = Operator(data, policy, receivers).ask("GET", "/api/v1/users")["users"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        out.print(
            "nobody can log in; make the first one with riskwarden user add NAME --role admin"
        )
        return
    table = Table("name", "roles", "authenticator", "made", "logged in last", "sessions")
    for one in found:
        table.add_row(*map(escape, _row(one)))
    out.print(table)


@app.command()
def password(
    name: NameArgument,
    password_file: PasswordFileOption = None,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Give a user another password; whoever is logged in by the old one is out."""
    body = {**_order(reason), "password": _password(name, password_file)}
    Operator(data, policy, receivers).ask("PUT", f"{_path(name)}/password", body)
    out.print(f"{escape(name)} has another password, and is logged out everywhere")


@app.command()
def roles(
    name: NameArgument,
    roles: RoleOption,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Give a user other roles in place of theirs; they have to log in anew."""
    body = {**_order(reason), "roles": [role.value for role in roles]}
    answer = Operator(data, policy, receivers).ask("PUT", f"{_path(name)}/roles", body)
    out.print(f"{escape(name)} is of {' and '.join(answer['roles'])} now")


@app.command()
def disable(
    name: NameArgument,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Shut a user out, at once and until somebody enables them."""
    Operator(data, policy, receivers).ask("POST", f"{_path(name)}/disable", _order(reason))
    out.print(f"{escape(name)} is out, on record")


@app.command()
def enable(
    name: NameArgument,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Let a user log in again."""
    Operator(data, policy, receivers).ask("POST", f"{_path(name)}/enable", _order(reason))
    out.print(f"{escape(name)} may log in again")


@app.command()
def remove(
    name: NameArgument,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Remove a user, at once. What they did stays on record."""
    Operator(data, policy, receivers).ask("DELETE", _path(name), _order(reason))
    out.print(f"there is no user {escape(name)} any more, on record")


@app.command()
def totp(
    name: NameArgument,
    off: Annotated[bool, typer.Option("--off", help="Take the authenticator away.")] = False,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Give a user an authenticator: shows what to scan, and asks for the first code."""
    operator, path = Operator(data, policy, receivers), f"{_path(name)}/totp"
    if off:
        operator.ask("DELETE", path, _order(reason))
        out.print(f"{escape(name)} has no authenticator any more; a password is enough")
        return
    uri = operator.ask("POST", path, _order(reason))["uri"]
    typer.echo(_picture(uri))
    typer.echo(uri)
    err.print("Scan it with an authenticator, or type the secret in; it is shown this once.")
    code = typer.prompt("Code that it shows", err=True).strip()
    operator.ask("POST", path, {**_order(reason), "code": code})
    out.print(f"from now on {escape(name)} logs in with a code of it, too; logged out everywhere")


@app.command()
def sessions(
    name: NameArgument,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Show where a user is logged in."""
    found = Operator(data, policy, receivers).ask("GET", f"{_path(name)}/sessions")["sessions"]
    if not found:
        out.print(f"{escape(name)} is logged in nowhere")
        return
    table = Table("session", "since", "from", "unused")
    for one in found:
        since, unused = _shown(one["began_at"]), f"{one['unused_seconds'] // 60} min"
        table.add_row(*map(escape, (one["id"], since, one["address"], unused)))
    out.print(table)


@app.command()
def logout(
    name: NameArgument,
    reason: ReasonOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Log a user out everywhere."""
    path = f"{_path(name)}/sessions"
    ended = Operator(data, policy, receivers).ask("DELETE", path, _order(reason))["ended"]
    out.print(f"{escape(name)} is logged out: {ended} session{'s' * (ended != 1)} ended")


def _order(reason: str) -> dict[str, object]:
    return {"actor": operator_name(), "reason": printable(reason)}


def _path(name: str) -> str:
    return f"/api/v1/users/{quote(printable(name), safe='')}"


def _password(name: str, file: Path | None) -> str:
    """Never an argument: those stand in the shell's history, and every user of the machine sees
    them.
    """
    if file is None:
        if not sys.stdin.isatty():
            fail("nobody can be asked for the password: give it with --password-file FILE, or -")
        asked = f"Password of {printable(name)}"
        return str(typer.prompt(asked, hide_input=True, confirmation_prompt=True, err=True))
    try:
        if str(file) == "-":
            text = sys.stdin.read(_MOST_CHARACTERS)
        else:
            with file.open(encoding="utf-8") as stream:
                text = stream.read(_MOST_CHARACTERS)
    except (OSError, ValueError) as error:
        fail(f"{file}: the password cannot be read: {error}")
    return text.rstrip("\r\n")


def _picture(uri: str) -> str:
    """A QR code of half blocks, as wide as it has to be."""
    import segno  # nobody else needs it

    drawn = io.StringIO()
    segno.make(uri, micro=False).terminal(out=drawn, compact=True, border=2)
    return drawn.getvalue()


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    state = " (disabled)" if one["disabled"] else ""
    made = f"{_shown(one['created_at'])} by {one['created_by']}"
    last = _shown(one["last_login_at"]) if one["last_login_at"] else "never"
    has = "yes" if one["has_totp"] else "no"
    return one["name"] + state, ", ".join(one["roles"]), has, made, last, str(one["sessions"])


def _shown(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
