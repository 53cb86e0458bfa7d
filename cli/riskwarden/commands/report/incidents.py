"""`riskwarden report incidents`: what there is to make a dossier of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from risk_policy.visible import visible
from risk_receivers.audit.errors import UnreadableDatabaseError
from riskwarden.commands.audit.common import DatabaseOption, JsonOption, database_or_fail
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, names, out
from riskwarden.commands.report.incident import SeverityOption, worse_than
from riskwarden.dossier.listing import Known
from riskwarden.dossier.reading import read_incidents

_HEADS = ("alert", "severity", "began (UTC)", "state", "acked", "killed")


def incidents(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
    severity: SeverityOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the incidents that are on record, the latest first."""
    path = database_or_fail(database, data, policy)
    try:
        found = worse_than(read_incidents(path), severity)
    except UnreadableDatabaseError as error:
        fail(str(error))
    shown = found[:limit]
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in shown], indent=2))
        return
    if not shown:
        out.print(f"{path}: no such incident is on record")
        return
    ids = names("incident", (one.id for one in shown))
    table = Table(ids, *_HEADS, box=None, pad_edge=False)
    for one in shown:
        table.add_row(*(Text(visible(cell)) for cell in _cells(one)))
    out.print(table)
    if len(found) > limit:
        out.print(f"{len(found) - limit} more; see --limit and --severity", style="dim")


def _cells(one: Known) -> tuple[str, ...]:
    return (
        one.id,
        one.alertname,
        one.severity.value,
        _at(one.began_at),
        one.state,
        "yes" if one.acknowledged else "",
        "yes" if one.killed else "",
    )


def _as_json(one: Known) -> dict[str, Any]:
    return {
        "id": one.id,
        "alertname": one.alertname,
        "account": one.account,
        "severity": one.severity.value,
        "began_at": one.began_at.isoformat(),
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        "state": one.state,
        "acknowledged": one.acknowledged,
        "killed": one.killed,
    }


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
