"""`riskwarden audit verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from risk_receivers.audit.chain import Head
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.verify import Verification
from risk_receivers.verification import verify_store
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    err,
    fail,
    is_file,
    out,
    warn,
)
from riskwarden.lenient import LenientPolicy

app = typer.Typer(help="The tamper-evident audit chain.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The tamper-evident audit chain."""


@app.command()
def verify(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: Annotated[
        Path | None,
        typer.Option("--database", help="The audit database itself.", show_default=False),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SIZE:CHECKSUM",
            help="A head kept from an earlier verify, which the chain must still pass through.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check every record of the chain. Exit code 0: intact, 1: broken, 2: cannot be read.

    Keep the head that it ends with somewhere else: only with --head can it be seen that records
    were cut off together with the head that is noted beside the database.
    """
    kept = _kept(head)
    path = database or data / LenientPolicy(policy).database
    if not is_file(path):
        fail(f"{path}: no audit database, or not for you to read; name the data folder with --data")
    columns = (
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("verify", total=None)
            result = verify_store(
                path,
                kept=kept,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except UnreadableDatabaseError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(_as_json(path, result), indent=2))
        raise typer.Exit(0 if result.ok else 1)
    for warning in result.warnings:
        warn(str(warning))
    if not result.ok:
        for problem in result.problems:
            err.print(str(problem), markup=False)
        fail(
            f"{path}: the audit chain is broken; {result.events} events were read, "
            f"head as it stands {result.head}",
            1,
        )
    count = result.warning_count
    but = f" with {count} warning{'s' if count != 1 else ''}" if count else ""
    out.print(f"{path}: intact{but}, {result.events} events, head {result.head}")


def _kept(head: str | None) -> Head | None:
    try:
        return None if head is None else Head.parse(head)
    except ValueError as error:
        fail(f"--head {head}: {error}, as riskwarden audit verify prints it")


def _as_json(path: Path, result: Verification) -> dict[str, Any]:
    return {
        "database": str(path),
        "intact": result.ok,
        "events": result.events,
        "head": str(result.head),
        "problems": [str(problem) for problem in result.problems],
        "problem_count": result.problem_count,
        "warnings": [str(warning) for warning in result.warnings],
        "warning_count": result.warning_count,
    }
