"""`riskwarden status`: what somebody woken at night has to know first."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from risk_policy.visible import visible
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator
from riskwarden.status_words import Line, details, headlines


def status(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show kill switch, gate, open incidents and the audit chain's head."""
    answer = Operator(data, policy, receivers).ask("GET", "/api/v1/system/status")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    for line in headlines(answer):
        out.print(_row(line.name.upper(), line))
    table = Table.grid(padding=(0, 2))
    for line in details(answer):
        table.add_row(Text(line.name, style="dim"), _text(line))
    out.print()
    out.print(table)


def _row(name: str, line: Line) -> Text:
    return Text.assemble((f"{name:<13}", "bold"), _text(line))


def _text(line: Line) -> Text:
    """What reasons and causes hold must not steer the terminal."""
    return Text(visible(line.text), style="" if line.is_well else "bold red")
