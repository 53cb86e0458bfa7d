"""`riskwarden kill`. It imports little, so that it starts at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from risk_policy.contracts.gate import LEASE_FILE
from risk_policy.contracts.operator import LONGEST_REASON, kill_scope
from risk_policy.vocabulary import KillMode
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out, warn
from riskwarden.operator import (
    NoAnswerError,
    Operator,
    RefusedError,
    TurnedAwayError,
    operator_name,
    printable,
)
from riskwarden.stack.layout import Layout

ReceiversOption = Annotated[
    str | None,
    typer.Option("--receivers", help="URL of the receivers service.", show_default=False),
]
_CUT: Final = "…"
#: Longer than the service takes with the lease that is the default; then the gate is closed without
#: its word, which does no harm if it has taken the kill.
_PATIENCE_SECONDS: Final = 6.0
#: Each of those that are asked next has as long: the gate here is still open meanwhile.
_OTHERS_SECONDS: Final = 3.0
_PATH: Final = "/api/v1/kill"
#: Nobody's other positions are closed because those meant could not be.
_WITHOUT_THEM: Final = (
    "Without them the gate is closed for everything alone: the same command with --scope '*'."
)
#: What became of open positions, and so what is to be done.
_THEN: Final = {
    KillMode.PAUSE: "Positions stay open: somebody has to manage them",
    KillMode.GRACEFUL: "What is open closes at its targets, the rest when its time is over",
}
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
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            help="What it covers: *, or e.g. account=main,symbol=BTC-EUR; strategy and venue, too.",
        ),
    ] = "*",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Trip the kill switch. It stays tripped until it is cleared; a looser mode is refused.

    Where the receivers of the data folder do not answer, or know none of the tokens there are, the
    gate is closed without them, if it is to be for everything.
    """
    try:
        covered = kill_scope(scope)
    except ValueError as error:
        fail(f"--scope: {error}", 2)
    operator = Operator(data, policy, receivers)
    words, name = short_reason(reason), operator_name()
    body = {"mode": mode.value, "reason": words, "actor": name}
    if not covered.is_everything:
        body["scope"] = str(covered)
    try:
        answer = _taken(operator, body)
    except NoAnswerError as error:
        layout = Layout(data)
        # Not that of Path, which raises where one may not look.
        is_here = receivers is None and os.path.isfile(layout.gate / LEASE_FILE)  # noqa: PTH113
        if is_here and covered.is_everything:
            _trip_without_them(layout, mode, words, name, error)
            return
        more = "" if covered.is_everything else f" {_WITHOUT_THEM}"
        if isinstance(error, TurnedAwayError):
            fail(f"{error}. NOTHING was tripped by this command", 1)
        fail(f"{error}. {_what_to_do(operator, sent=error.sent)}{more}", 1)
    already = "was already tripped" if answer["already_tripped"] else "is tripped"
    where = "" if covered.is_everything else f" for {escape(str(covered))}"
    flat = f"Check that {'the account' if covered.is_everything else 'all of it'} is flat"
    out.print(
        f"[bold red]kill switch {already}[/]{where}: mode {answer['mode']}, "
        f"id {answer['kill_id']}; the gate is closed{where}, on record. "
        f"{_THEN.get(answer['mode'], flat)}: riskwarden status"
    )


def _taken(operator: Operator, body: Mapping[str, object]) -> dict[str, Any]:
    """The answer of the first of the receivers that take it. Raises NoAnswerError.

    What the first would not do is refused. Another one's refusal says nothing about the gate here.
    """
    first: NoAnswerError | RefusedError
    try:
        return operator.answer("POST", _PATH, body, patience_seconds=_PATIENCE_SECONDS)
    except NoAnswerError as error:
        first = error
    except RefusedError as error:
        if not error.could_not:
            fail(str(error), error.exit_code)
        first = error
    for other in operator.others():
        try:
            answer = other.answer("POST", _PATH, body, patience_seconds=_OTHERS_SECONDS)
        except (NoAnswerError, RefusedError) as error:
            warn(str(error))
            if isinstance(first, NoAnswerError) and isinstance(error, NoAnswerError):
                first.sent = first.sent or error.sent
        else:
            warn(f"{first}; another one took it")
            return answer
    if isinstance(first, RefusedError):
        fail(str(first), first.exit_code)
    raise first


def _trip_without_them(
    layout: Layout, mode: KillMode, reason: str, actor: str, why: NoAnswerError
) -> None:
    from riskwarden.offline_kill import trip  # it imports much, and is hardly ever needed

    warn(f"{why}; closing the gate in {layout.gate} without them")
    try:
        done = trip(layout, mode, reason, actor)
    except OSError as error:
        fail(f"the gate in {layout.gate} cannot be written: {error}. CLOSE POSITIONS YOURSELF", 1)
    how = "HALT is written, and the runtime reads it before its next order"
    if not done.halted:
        holder = done.not_halted or "a service still holds the gate's files"
        how = f"{holder}; the runtime obeys the file KILL beside them"
    out.print(
        f"[bold red]kill switch is tripped[/]: mode {done.mode.value}, id {done.kill_id}; "
        f"{escape(how)}. "
        f"{_THEN.get(done.mode, 'Check at the exchange that the account is flat')}."
    )
    if not done.reasoned:
        warn("the mode could not be written, so NO POSITION IS CLOSED: close them yourself")
    if done.not_kept and done.ordered:
        warn(f"the record waits in the file KILL there alone: {done.not_kept}")
    elif done.not_kept:
        warn(f"it is on record nowhere, repeat this once that is mended: {done.not_kept}")
    else:
        out.print("It goes on record as soon as the receivers run again: start them.")


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
