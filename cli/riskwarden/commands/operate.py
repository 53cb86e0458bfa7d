"""`riskwarden kill` and `riskwarden status`: what an operator needs at night."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from risk_policy import Policy, UnfitTokenError, UnsetVariableError
from risk_policy.vocabulary import KillMode
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out, policy_or_fail
from riskwarden.stack.layout import Layout

ReceiversOption = Annotated[
    str | None,
    typer.Option("--receivers", help="URL of the receivers service.", show_default=False),
]


def kill(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
    mode: Annotated[
        KillMode,
        typer.Option(
            "--mode",
            help="pause: no new entries; graceful: close at targets; immediate: close all now.",
        ),
    ],
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """Trip the kill switch. It stays tripped; a looser mode is refused."""
    loaded = policy_or_fail(policy)
    body = {"mode": mode.value, "reason": reason, "actor": getpass.getuser()}
    answer = call_receivers("POST", "/api/v1/kill", loaded, data, receivers, body)
    already = "was already tripped" if answer["already_tripped"] else "is tripped"
    out.print(
        f"[bold red]kill switch {already}[/]: mode {answer['mode']}, id {answer['kill_id']}; "
        "the gate is closed, on record. Check that the account is flat: riskwarden status"
    )


def status(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show kill switch, gate, open incidents and the audit chain's head."""
    answer = call_receivers("GET", "/api/v1/status", policy_or_fail(policy), data, receivers)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    table = Table(show_header=False)
    for key, value in _rows(answer):
        table.add_row(key, value)
    out.print(table)


def _rows(tree: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        key = f"{path} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += _rows(value, key)
        else:
            rows.append((key, "" if value is None else str(value)))
    return rows


def call_receivers(
    method: str,
    path: str,
    policy: Policy,
    data: Path,
    receivers: str | None,
    body: dict[str, Any] | None = None,
    timeout_seconds: float = 15.0,
) -> dict[str, Any]:
    """Ask the receivers service as an operator; the command ends with what they refuse."""
    layout = Layout(data)
    endpoints = layout.read_endpoints() or policy.alerting.endpoints
    url = receivers or f"http://{endpoints.receivers}"
    headers = {"Authorization": f"Bearer {_operator_token(policy, layout)}"}
    try:
        answer = httpx.request(
            method, url + path, json=body, headers=headers, timeout=timeout_seconds, trust_env=False
        )
    except httpx.HTTPError as error:
        fail(f"the receivers service at {url} does not answer ({error}); is it running?", 1)
    try:
        content: dict[str, Any] = answer.json()
    except ValueError:
        content = {}
    if answer.status_code != httpx.codes.OK:
        fail(f"{url}{path}: {content.get('error') or answer.reason_phrase}", 1)
    return content


def _operator_token(policy: Policy, layout: Layout) -> str:
    secret = policy.alerting.auth.operator_token
    try:
        return secret.reveal_token()
    except UnsetVariableError as error:
        try:
            return layout.token("operator_token")
        except OSError:
            fail(f"no operator token: {error}, or name the data folder of a run with --data")
    except UnfitTokenError as error:
        fail(f"no operator token: {error}")
