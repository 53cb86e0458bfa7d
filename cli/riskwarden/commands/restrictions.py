"""`riskwarden restrictions` and `resume`: see what alerts hold at the gate, end what waits for you.

Resuming takes two steps, as clearing the kill switch does: the first shows what is in force and
prints the command for the second, which confirms just that.
"""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from riskwarden.commands.clear import ConfirmOption, ReasonOption, TotpOption, second_step, where
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, out
from riskwarden.commands.kill import ReceiversOption, short_reason
from riskwarden.operator import Operator, operator_name
from riskwarden.status_words import restricted


def restrictions(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what alerts hold at the gate: what is refused, to whom, why, and how it ends."""
    found = Operator(data, policy, receivers).ask("GET", "/api/v1/restrictions")["restrictions"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        out.print("no alert holds anything at the gate")
        return
    table = Table("id", "what", "for", "cause", "since", "ends")
    for one in found:
        since = datetime.fromisoformat(one["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        share = "" if one["size_ratio"] is None else f" to {one['size_ratio']:.0%}"
        cause = f"{one['cause']} ({one['level']})"
        ends = restricted(one)
        table.add_row(
            *map(escape, (one["id"], one["kind"] + share, one["scope"], cause, since, ends))
        )
    out.print(table)


def resume(
    restriction: Annotated[
        str, typer.Argument(help="Its id, e.g. r1042, as riskwarden restrictions shows it.")
    ],
    reason: ReasonOption,
    confirm: ConfirmOption = "",
    totp: TotpOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Resume trading that a restriction holds back, in two steps, once its alert is over."""
    operator = Operator(data, policy, receivers)
    body: dict[str, Any] = {
        "reason": short_reason(reason),
        "actor": operator_name(),
        "confirmation": confirm,
        "totp": totp,
    }
    if confirm:
        operator.as_approver()
    answer = operator.ask(
        "POST", f"/api/v1/restrictions/{quote(restriction, safe='')}/resume", body
    )
    if confirm:
        out.print(
            f"restriction {escape(restriction)} is [bold]lifted[/], on record. "
            "Look at the rest: riskwarden restrictions"
        )
        return
    parts = ["riskwarden", "resume", restriction, "--reason", body["reason"]]
    parts += ["--confirm", answer["confirmation"]]
    if answer["needs_totp"]:
        parts += ["--totp", "CODE"]
    second_step(answer, shlex.join([*parts, *where(data, policy, receivers)]))
