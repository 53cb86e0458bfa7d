"""`riskwarden kill`. It imports little, so that it starts at once."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from risk_policy.contracts.operator import LONGEST_REASON
from risk_policy.vocabulary import KillMode
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out, warn
from riskwarden.operator import NoAnswerError, Operator, operator_name, printable

ReceiversOption = Annotated[
    str | None,
    typer.Option("--receivers", help="URL of the receivers service.", show_default=False),
]
_CUT: Final = "…"
#: A script whose variable is empty must not keep the account open.
_NO_REASON: Final = "no reason given"


def kill(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
    mode: Annotated[
        KillMode,
        typer.Option(
            "--mode",
            help="pause: no new entries; graceful: close at targets; immediate: close all now.",
            case_sensitive=False,
        ),
    ],
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Trip the kill switch. It stays tripped until it is cleared; a looser mode is refused."""
    operator = Operator(data, policy, receivers)
    body = {"mode": mode.value, "reason": short_reason(reason), "actor": operator_name()}
    try:
        answer = operator.call("POST", "/api/v1/kill", body)
    except NoAnswerError as error:
        fail(f"{error}. {_what_to_do(operator, sent=error.sent)}", 1)
    if "kill_id" not in answer:
        fail("what answers there are not the receivers: name their URL with --receivers", 1)
    already = "was already tripped" if answer["already_tripped"] else "is tripped"
    out.print(
        f"[bold red]kill switch {already}[/]: mode {answer['mode']}, id {answer['kill_id']}; "
        "the gate is closed, on record. Check that the account is flat: riskwarden status"
    )


def short_reason(reason: str) -> str:
    """A reason that is on record rather than refused."""
    words = printable(reason).strip()
    if not words:
        warn(f"there is no reason; on record it reads: {_NO_REASON}")
        return _NO_REASON
    if len(words) <= LONGEST_REASON:
        return words
    kept = words[: LONGEST_REASON - len(_CUT)].rstrip() + _CUT
    warn(f"the reason is longer than {LONGEST_REASON} characters; cut, it ends: {kept[-60:]}")
    return kept


def _what_to_do(operator: Operator, *, sent: bool) -> str:
    lease = (
        f"the gate's lease ends by itself within {operator.policy.lease_seconds:g} s and the "
        "runtime then refuses orders that add risk. Open positions are NOT closed by that: close "
        "them yourself"
    )
    if sent:
        return (
            "It may have taken the kill or not: repeat this command, which does no harm, or look "
            f"with riskwarden status. If it has died, {lease}."
        )
    return (
        "NOTHING was tripped by this command. Is it running? If it runs elsewhere, name it with "
        f"--receivers URL. If it has died, {lease}, or start it and repeat this command."
    )
