"""`riskwarden audit prune`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from risk_policy.clock import utc_now
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.retention.errors import ClockDoubtedError
from risk_receivers.retention.plan import Plan
from risk_receivers.retention.pruner import Pruner
from riskwarden.commands.audit.common import (
    DatabaseOption,
    JsonOption,
    database_or_fail,
    progress_bar,
)
from riskwarden.commands.audit.writing import ByOption, pruner_of, start_or_fail, who
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    interruptible,
    out,
    warn,
)


def prune(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    clock_is_right: Annotated[
        bool,
        typer.Option(
            "--clock-is-right",
            help="Delete although time passed that nobody saw pass; who says so goes on record.",
        ),
    ] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete payloads whose time is over, on record. Headers stay, and the chain verifies.

    The receivers do this by themselves, as often as the policy says; it may be done while they
    run. How long a payload is kept stands in its record since it was made: a policy that was
    changed since changes nothing about it. Legal holds keep what they cover.

    Exit code 0: done, or nothing was due; 1: refused, nothing was deleted; 2: cannot be done.
    """
    path = database_or_fail(database, data, policy)
    with pruner_of(path, by) as (writer, pruner):
        now = utc_now()
        try:
            doubt = pruner.doubt(now, now)
            with progress_bar("looking") as (reached,):
                plan = pruner.plan(now, reached)
            is_due = bool(plan.count or plan.unlooked)
            is_doubted = bool(doubt) and not clock_is_right
            if not as_json:
                _show(path, plan)
            elif dry_run or is_doubted or not is_due:
                _tell(path, plan, doubt, 0)
            if dry_run and doubt:
                warn(f"{doubt}; it would not be deleted now")
            if dry_run or not is_due:
                return
            if is_doubted:
                fail(f"{doubt}. Or say so with --clock-is-right; nothing was deleted", 1)
            _confirm(plan, yes=yes)
            start_or_fail(writer, path)
            gone = _prune(path, pruner, plan.count, now, who(by) if clock_is_right else "")
        except ClockDoubtedError as error:
            fail(f"{error}; nothing was deleted", 1)
        except (*DATABASE_ERRORS, ReceiversError, OSError) as error:
            fail(f"{path}: {error}")
    if as_json:
        _tell(path, plan, doubt, gone)
    else:
        out.print(f"{gone:,} payloads deleted; their headers stay, and the chain verifies")


def _prune(path: Place, pruner: Pruner, count: int, now: datetime, vouched: str) -> int:
    with interruptible(), progress_bar("deleting") as (progress,):
        gone = 0

        def deleted(number: int) -> None:
            nonlocal gone
            gone += number
            progress(gone, max(count, gone))

        try:
            return pruner.prune(now, now, vouched=vouched, deleted=deleted)
        except KeyboardInterrupt:
            fail(
                f"{path}: interrupted after {gone:,} payloads; what is left was announced and "
                "is deleted the next time",
                130,
            )


def _show(path: Place, plan: Plan) -> None:
    if plan.by_type:
        table = Table("type", "payloads", "oldest", "newest", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for kind, tally in sorted(plan.by_type.items()):
            table.add_row(kind, f"{tally.count:,}", f"{tally.oldest:%F}", f"{tally.newest:%F}")
        out.print(table)
        out.print(f"{plan.count:,} payloads were due before {plan.due_before:%F %R} UTC")
        if plan.is_cut:
            out.print("and more, which are counted once these are gone")
    else:
        out.print(f"{path}: nothing is due")
    for why, count in sorted(plan.stays.items()):
        out.print(f"{count:,} are due and stay: {why}", markup=False)


def _confirm(plan: Plan, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail("what is deleted cannot be brought back; add --yes if that is meant")
    if not typer.confirm(f"Delete {plan.count:,} payloads for good?"):
        fail("nothing was deleted", 1)


def _tell(path: Place, plan: Plan, doubt: str, gone: int) -> None:
    typer.echo(json.dumps({**_as_json(path, plan, doubt), "deleted": gone}, indent=2))


def _as_json(path: Place, plan: Plan, doubt: str) -> dict[str, Any]:
    return {
        "database": str(path),
        "due_before": plan.due_before.isoformat(),
        "count": plan.count,
        "by_type": {
            kind: {
                "count": tally.count,
                "oldest": tally.oldest.isoformat(),
                "newest": tally.newest.isoformat(),
            }
            for kind, tally in sorted(plan.by_type.items())
        },
        "stays": dict(sorted(plan.stays.items())),
        "more": plan.is_cut,
        "clock_doubted": doubt or None,
    }
