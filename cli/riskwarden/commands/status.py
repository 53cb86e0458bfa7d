"""`riskwarden status`: what somebody woken at night has to know first."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from risk_policy.visible import visible
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import NoAnswerError, Operator, RefusedError
from riskwarden.status_words import Line, details, headlines, open_alerts, urgent

#: The worst of them; whoever has more open needs the console.
_MOST_SHOWN: Final = 30


def status(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show kill switch, gate, audit chain, and which incidents are open and who has them."""
    operator = Operator(data, policy, receivers)
    try:
        answer = operator.call("GET", "/api/v1/system/status")
    except NoAnswerError as error:
        fail(f"{error}; is it running? {_dead(operator.policy.lease_seconds)}", 1)
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
    if any((answer["incidents_open"] or {}).values()):
        _show_open(operator)


def _show_open(operator: Operator) -> None:
    """By the names that `riskwarden ack` takes."""
    try:
        answer = operator.answer("GET", "/api/v1/alerts/open?limit=1000")
        found, number = open_alerts(answer["alerts"]), urgent(answer)
    except (NoAnswerError, RefusedError, LookupError, TypeError, ValueError) as error:
        unknown = f"which incidents are open is not known: {visible(str(error))}"
        out.print(Text(unknown, style="bold red"), soft_wrap=True)
        return
    if not found:
        return
    out.print()
    for one in found[:_MOST_SHOWN]:
        # A name has to stay in one piece to be copied, however narrow the terminal.
        style = "" if one.taken_by else "bold red"
        out.print(Text(visible(one.text), style=style), soft_wrap=True)
    if number > _MOST_SHOWN:
        out.print(f"{number:,} in all: see the console")
    if not all(one.taken_by for one in found):
        out.print("take one on: riskwarden ack INCIDENT --comment ...")


def _dead(lease_seconds: float) -> str:
    """What holds while nobody answers, and what can be done."""
    return (
        f"If it has died, the gate's lease has run out within {lease_seconds:g} s: orders that add "
        "risk are refused, open positions stay as they are, and nobody is told of alerts but by "
        "Alertmanager itself. Start it; riskwarden kill works on its machine without it"
    )


def _row(name: str, line: Line) -> Text:
    return Text.assemble((f"{name:<13}", "bold"), _text(line))


def _text(line: Line) -> Text:
    """What reasons and causes hold must not steer the terminal."""
    return Text(visible(line.text), style="" if line.is_well else "bold red")
