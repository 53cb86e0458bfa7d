"""`riskwarden audit hold`: what must not be deleted, whatever its age."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias

import typer
from rich.markup import escape
from rich.table import Table

from risk_policy.clock import utc_now
from risk_receivers.audit import retention_records, tables
from risk_receivers.audit.holds import Hold, HoldFilter
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.retention import covered
from risk_receivers.retention.errors import HoldError
from riskwarden.commands.audit.common import (
    DatabaseOption,
    JsonOption,
    database_or_fail,
    progress_bar,
)
from riskwarden.commands.audit.filters import (
    AccountsOption,
    AlertsOption,
    SinceOption,
    TypesOption,
    UntilOption,
    moment_or_fail,
    types_or_fail,
)
from riskwarden.commands.audit.shown import folded
from riskwarden.commands.audit.writing import ByOption, pruner_of, start_or_fail
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out, warn

app = typer.Typer(help="Legal holds: what must not be deleted.", no_args_is_help=True)

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="What the hold is called, e.g. case-2030-7.")
]
ReasonOption: TypeAlias = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


@app.callback()
def _group() -> None:
    """Legal holds: what must not be deleted."""


@app.command()
def place(
    name: NameArgument,
    reason: ReasonOption,
    first: Annotated[
        int | None, typer.Option("--first", min=1, help="From this record on.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Up to this record.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    types: TypesOption = None,
    accounts: AccountsOption = None,
    alerts: AlertsOption = None,
    everything: Annotated[bool, typer.Option("--everything", help="All there is.")] = False,
    by: ByOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Keep what meets all the conditions, whatever its age: what is there and what is to come.

    It holds as soon as it is on record, and until `riskwarden audit hold release`. An account or
    an alert is looked for anywhere in a record, as a whole word whatever its case. How many of
    the payloads that are there fall under it is said.
    """
    if not name.strip() or not reason.strip():
        fail("a hold needs a name and a reason, for the record")
    covers = _filter(first, last, since, until, types, accounts, alerts)
    if (covers == HoldFilter()) != everything:
        fail("say what it covers, or --everything, and not both")
    path = database_or_fail(database, data, policy)
    with _failing(path), pruner_of(path, by) as (writer, pruner):
        start_or_fail(writer, path)
        seq = pruner.place(name.strip(), reason.strip(), covers)
    out.print(f"legal hold {name.strip()} is in force (record {seq}): {covers}", markup=False)
    with _failing(path), progress_bar("looking") as (reached,):
        count = covered.count(path, covers, seq, reached)
    if count:
        out.print(f"{count:,} of the payloads that are there fall under it")
    else:
        warn("nothing that is there falls under it: see whether it is written as the records do")


@app.command()
def release(
    name: NameArgument,
    reason: ReasonOption,
    by: ByOption = None,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """End a hold: what it covered goes as it is due."""
    if not reason.strip():
        fail("to release a hold needs a reason, for the record")
    path = database_or_fail(database, data, policy)
    with _failing(path), pruner_of(path, by) as (writer, pruner):
        start_or_fail(writer, path)
        seq = pruner.release(name.strip(), reason.strip())
    out.print(f"legal hold {name.strip()} is released (record {seq})", markup=False)


@app.command("list")
def list_(
    everyone: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the holds, as the chain tells them."""
    path = database_or_fail(database, data, policy)
    with _failing(path):
        known = tables.read(path, retention_records.read)
    released = known.released if everyone else ()
    holds = sorted((*known.holds.values(), *released), key=lambda hold: hold.seq)
    if as_json:
        typer.echo(json.dumps([_as_json(hold) for hold in holds], indent=2))
        return
    if not holds:
        out.print("no legal hold is in force")
        return
    names = ("name", "since", "by", "covers", "why", "released")
    table = Table(*map(folded, names), box=None, pad_edge=False)
    for hold in holds:
        ended = f"{hold.released_at:%F} by {hold.released_by}" if hold.released_at else ""
        cells = (hold.name, f"{hold.at:%F}", hold.by, str(hold.filter), hold.reason, ended)
        table.add_row(*map(escape, cells))
    out.print(table)


@contextmanager
def _failing(path: Place) -> Iterator[None]:
    try:
        yield
    except HoldError as error:
        fail(str(error), 1)
    except (*DATABASE_ERRORS, ReceiversError, OSError) as error:
        fail(f"{path}: {error}")


def _filter(
    first: int | None,
    last: int | None,
    since: str | None,
    until: str | None,
    types: list[str] | None,
    accounts: list[str] | None,
    alerts: list[str] | None,
) -> HoldFilter:
    now = utc_now()
    covers = HoldFilter(
        first=first,
        last=last,
        since=moment_or_fail("--since", since, now),
        until=moment_or_fail("--until", until, now),
        types=types_or_fail(types),
        accounts=frozenset(accounts or ()),
        alerts=frozenset(alerts or ()),
    )
    if "" in covers.accounts | covers.alerts:
        fail("--account and --alert need a name")
    if covers.is_empty:
        fail("no record can meet these conditions: they end before they begin")
    return covers


def _as_json(hold: Hold) -> dict[str, Any]:
    return {
        "name": hold.name,
        "record": hold.seq,
        "placed_at": hold.at.isoformat(),
        "placed_by": hold.by,
        "reason": hold.reason,
        "filter": hold.filter.as_details(),
        "looked_at": hold.looked_at if hold.filter.reads_payloads else None,
        "released_at": hold.released_at.isoformat() if hold.released_at else None,
        "released_by": hold.released_by or None,
        "release_reason": hold.release_reason or None,
    }
