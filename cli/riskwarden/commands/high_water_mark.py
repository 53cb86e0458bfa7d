"""`riskwarden reset-high-water-mark`: measure an account's drawdowns from its equity of now on.

Two steps, as clearing takes. The first shows how the account stands and prints the command for the
second, which confirms just that. It is on record first and carried out by the exporter then; the
same second step may be repeated until it has been.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.markup import escape

from risk_policy.contracts import high_water_mark as contract
from risk_policy.model.stack import Auth
from riskwarden.commands.clear import ConfirmOption, ReasonOption, TotpOption, second_step, where
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out
from riskwarden.commands.kill import ReceiversOption, short_reason
from riskwarden.lenient import LenientPolicy, revealed
from riskwarden.operator import Operator, operator_name
from riskwarden.stack.layout import Layout

ExporterOption = Annotated[
    str | None,
    typer.Option(
        "--exporter", help="URL of the exporter; that of the run, or the policy's, unless given."
    ),
]
#: As long as a disk may take that is mending itself; what is not answered by then may be repeated.
_PATIENCE_SECONDS: Final = 15.0


def reset_high_water_mark(
    account: Annotated[str, typer.Argument(help="Whose mark.", show_default=False)],
    reason: ReasonOption,
    confirm: ConfirmOption = "",
    before: Annotated[str, typer.Option("--from", help="As the first step printed it.")] = "",
    after: Annotated[str, typer.Option("--to", help="As the first step printed it.")] = "",
    totp: TotpOption = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    exporter: ExporterOption = None,
) -> None:
    """Reset the peak that a flat account's drawdowns count from, in two steps."""
    operator = Operator(data, policy, receivers)
    keeper = _Exporter(data, operator.policy, exporter)
    standing = keeper.ask(contract.Wanted.model_construct(account=account))
    if not confirm:
        out.print(
            f"account [bold]{escape(account)}[/]: high-water mark {standing.high_water_mark}, "
            f"equity {standing.equity} {escape(standing.currency)}"
        )
        if standing.obstacle:
            fail(f"account {account}: {standing.obstacle}", 1)
        before, after = standing.high_water_mark, standing.equity
    body: dict[str, object] = {
        "account": account,
        "currency": standing.currency,
        "before": before,
        "after": after,
        "reason": short_reason(reason),
        "actor": operator_name(),
        "confirmation": confirm,
        "totp": totp,
    }
    if confirm:
        operator.as_approver()
    answer = operator.ask("POST", contract.PATH, body)
    if confirm:
        reset = contract.Reset.model_validate(answer["reset"])
        done = keeper.ask(contract.Wanted(account=account, reset=reset), again=True)
        out.print(
            f"drawdowns of account [bold]{escape(account)}[/] count from "
            f"{done.high_water_mark} {escape(done.currency)} on, on record as audit event "
            f"{reset.audit_seq}. A kill stays in force until it is cleared: riskwarden clear"
        )
        return
    again = where(data, policy, receivers) + (["--exporter", exporter] if exporter else [])
    second_step(answer, _command(body, answer, again))


def _command(body: dict[str, object], answer: dict[str, Any], again: list[str]) -> str:
    parts = ["riskwarden", "reset-high-water-mark", str(body["account"])]
    parts += ["--reason", str(body["reason"]), "--confirm", answer["confirmation"]]
    parts += ["--from", str(body["before"]), "--to", str(body["after"])]
    if answer["needs_totp"]:
        parts += ["--totp", "CODE"]
    return shlex.join([*parts, *again])


class _Exporter:
    """The exporter of one data folder, or the one that is named."""

    def __init__(self, data: Path, policy: LenientPolicy, named: str | None) -> None:
        layout = Layout(data)
        endpoints = layout.read_endpoints()
        if named:
            url = named if "://" in named else f"http://{named}"
        else:
            url = f"http://{endpoints.exporter if endpoints else policy.exporter}"
        self._url = url.rstrip("/") + contract.PATH
        self._tokens = [_of_the_folder(layout), revealed(Auth().snapshot_token)]
        if named or endpoints is None:
            self._tokens.reverse()

    def ask(self, wanted: contract.Wanted, *, again: bool = False) -> contract.Standing:
        """How the account stands after it. The command ends where that is not to be had."""
        remedy = "; it is on record: repeat this very command" if again else "; is it running?"
        answer: httpx.Response | None = None
        for token in filter(None, self._tokens):
            try:
                answer = httpx.post(
                    self._url,
                    json=wanted.model_dump(),
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=_PATIENCE_SECONDS,
                    trust_env=False,
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                fail(f"the exporter does not answer at {self._url} ({error}){remedy}", 1)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                break
        if answer is None:
            fail(
                f"no snapshot token: set {str(Auth().snapshot_token).strip('${}')} in the "
                "environment, or name the data folder of a run with --data"
            )
        standing = _standing(answer)
        if isinstance(standing, str):
            fail(f"{self._url}: {standing}", 1)
        return standing


def _standing(answer: httpx.Response) -> contract.Standing | str:
    """What an exporter says; in words if it refuses, or is none."""
    try:
        content = answer.json()
        if answer.status_code == httpx.codes.OK:
            return contract.Standing.model_validate(content)
        return str(content["error"])
    except (ValueError, KeyError, TypeError):
        return f"answers {answer.status_code}, but not as the exporter does"


def _of_the_folder(layout: Layout) -> str:
    try:
        token = layout.token("snapshot_token")
    except (OSError, ValueError):
        return ""
    return token if token.isprintable() else ""
