"""`riskwarden security`: addresses that stand out or are blocked, what was seen, old secrets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.contracts.audit import EventType
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, out
from riskwarden.commands.kill import ReceiversOption
from riskwarden.operator import Operator, operator_name, printable

app = typer.Typer(help="Who behaves like an intruder, and how old secrets are.")
#: What the monitor puts on record; that people log in and are made is on record, too, and no sign.
_SIGNS: Final = frozenset(
    {
        EventType.ACCESS_REFUSED,
        EventType.LOGIN_REFUSED,
        EventType.RATE_LIMITED,
        EventType.INTRUSION_SUSPECTED,
        EventType.NEW_ADDRESS_SEEN,
        EventType.BULK_EXPORT_SEEN,
        EventType.AFTER_HOURS_ACCESS,
        EventType.ADDRESS_BLOCKED,
        EventType.BLOCK_LIFTED,
    }
)
#: Records that are looked through for signs, and signs that are shown.
_LOOKED_THROUGH: Final = 300
_SHOWN: Final = 10
_AUDIT: Final = f"/api/v1/audit?category=security&order=desc&limit={_LOOKED_THROUGH}"
_DAY: Final = 86_400


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show who behaves like an intruder, what was seen last, and how old secrets are."""
    if context.invoked_subcommand is not None:
        return
    operator = Operator(data, policy, receivers)
    found = operator.ask("GET", "/api/v1/security")
    events = operator.ask("GET", _AUDIT)["events"]
    signs = [event for event in events if event["header"]["event_type"] in _SIGNS][:_SHOWN]
    if as_json:
        typer.echo(json.dumps({**found, "signs": signs}, indent=2))
        return
    _show_addresses(found)
    _show_signs(signs)
    _show_secrets(found["secrets"])


@app.command()
def lift(
    address: Annotated[str, typer.Argument(help="Which; of an IPv6 network any address of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")] = "",
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    receivers: ReceiversOption = None,
) -> None:
    """End the block of an address before its time, and forget what led to it."""
    body = {"actor": operator_name(), "reason": printable(reason)}
    path = f"/api/v1/security/blocks/{quote(printable(address), safe='')}"
    Operator(data, policy, receivers).ask("DELETE", path, body)
    out.print(f"{escape(address)} is listened to again, on record")


def _show_addresses(found: dict[str, Any]) -> None:
    block_at = found["block_at"]
    if block_at is None:
        out.print("no address is ever blocked: alerting.security.blocking.enabled = false")
    elif not found["addresses"]:
        out.print("no address stands out")
    else:
        table = Table("address", "score", "blocked")
        for one in found["addresses"]:
            blocked = f"for another {one['blocked_seconds']} s" if one["blocked"] else "no"
            table.add_row(escape(one["address"]), f"{one['score']:g} of {block_at:g}", blocked)
        out.print(table)


def _show_signs(signs: list[dict[str, Any]]) -> None:
    if not signs:
        out.print(f"nothing suspicious among the last {_LOOKED_THROUGH} records of security")
        return
    table = Table("seen", "what")
    for one in signs:
        payload = one["payload"]
        said = payload["message"] if payload else f"{one['header']['event_type']}, deleted since"
        table.add_row(_shown(one["header"]["recorded_at"]), escape(said))
    out.print(table)


def _show_secrets(secrets: list[dict[str, Any]]) -> None:
    table = Table("secret", "changed", "to be changed every")
    for one in secrets:
        if one["overdue"] is False:
            continue
        at = one["changed_at"]
        changed = "nobody knows" if at is None else f"{_shown(at)}, too long ago"
        table.add_row(
            escape(one["secret"]), changed, f"{one['rotate_after_seconds'] / _DAY:g} days"
        )
    if table.row_count:
        out.print(table)
    else:
        out.print("no secret is too old")


def _shown(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")
