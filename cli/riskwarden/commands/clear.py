"""`riskwarden clear`, `disarm` and `arm`: loosen the kill switch in two steps, arm it in one.

The first step shows what is in force and prints the command for the second, which confirms just
that: another reason, another kill, or a switch that was triggered meanwhile is refused.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out
from riskwarden.commands.kill import ReceiversOption, short_reason
from riskwarden.operator import Operator, operator_name
from riskwarden.status_words import kills_and_gate, kills_in_force

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes on record.")]
ConfirmOption = Annotated[
    str,
    typer.Option(
        "--confirm", help="The code that the first step was answered with.", show_default=False
    ),
]

TotpOption = Annotated[
    str,
    typer.Option("--totp", help="What the authenticator shows.", show_default=False),
]


def clear(
    reason: ReasonOption,
    confirm: ConfirmOption = "",
    kill_id: Annotated[
        str,
        typer.Option(
            *("--kill-id", "--kill"),
            help="Which kill; the one in force, unless given.",
            show_default=False,
        ),
    ] = "",
    totp: TotpOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Clear a tripped kill switch, in two steps. The gate opens if all else allows it."""
    if confirm and not kill_id:
        fail("--confirm goes with the --kill-id that the first step printed; nothing was changed")
    operator = Operator(data, policy, receivers)
    if not kill_id:
        kill_id = _the_one(operator.ask("GET", "/api/v1/system/status"))
    if not kill_id:
        fail("the kill switch is not tripped; there is nothing to clear", 1)
    body = {"kill_id": kill_id, "confirmation": confirm, "totp": totp}
    _loosen(operator, "clear", reason, body, where(data, policy, receivers))


def _the_one(status: dict[str, Any]) -> str:
    """The id of the kill in force, shown; of several, none can be meant without a word."""
    for line in kills_and_gate(status):
        out.print(f"[bold]{line.name}[/] {escape(line.text)}")
    ids = [one["kill_id"] for one in kills_in_force(status["kill_switch"])]
    if len(ids) > 1:
        fail(f"several are in force: name the one to clear with --kill {' or '.join(ids)}", 1)
    return ids[0] if ids else ""


def disarm(
    reason: ReasonOption,
    confirm: ConfirmOption = "",
    totp: TotpOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Disarm the kill switch, in two steps: nothing trips it any more but people."""
    operator = Operator(data, policy, receivers)
    body = {"confirmation": confirm, "totp": totp}
    _loosen(operator, "disarm", reason, body, where(data, policy, receivers))


def arm(
    reason: ReasonOption,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Arm a disarmed kill switch. What fires meanwhile trips it with its next repeat."""
    body = {"reason": short_reason(reason), "actor": operator_name()}
    Operator(data, policy, receivers).ask("POST", "/api/v1/system/kill-switch/arm", body)
    out.print("the kill switch is armed, on record")


def _loosen(
    operator: Operator, what: str, reason: str, more: dict[str, str], at: list[str]
) -> None:
    body = {"reason": short_reason(reason), "actor": operator_name(), **more}
    if body["confirmation"]:
        operator.as_approver()
    answer = operator.ask("POST", f"/api/v1/system/kill-switch/{what}", body)
    if body["confirmation"]:
        done = "cleared" if what == "clear" else "disarmed"
        out.print(
            f"the kill switch is [bold]{done}[/], on record. Look at the gate: riskwarden status"
        )
        return
    second_step(answer, _command(what, body["reason"], answer, at))


def second_step(answer: dict[str, Any], command: str) -> None:
    """Say how to confirm what was asked for."""
    who = (
        "somebody else, with a token of their own"
        if answer["needs_second_person"]
        else "the same user"
    )
    within = f"{answer['expires_in_seconds']:g} s"
    out.print(f"Nothing was changed yet. {who.capitalize()} has to confirm it within {within}:")
    out.print(f"  {escape(command)}")


def _command(what: str, reason: str, answer: dict[str, Any], at: list[str]) -> str:
    parts = ["riskwarden", what, "--reason", reason, "--confirm", answer["confirmation"]]
    if answer["kill_id"]:
        parts += ["--kill-id", answer["kill_id"]]
    if answer["needs_totp"]:
        parts += ["--totp", "CODE"]
    return shlex.join([*parts, *at])


def where(data: Path, policy: Path | None, receivers: str | None) -> list[str]:
    """What has to be said again so that the second step comes where the first one did."""
    given = {"--data": data if data != LATEST else None, "--policy": policy}
    found = [text for name, value in given.items() if value for text in (name, str(value))]
    return [*found, "--receivers", receivers] if receivers else found
