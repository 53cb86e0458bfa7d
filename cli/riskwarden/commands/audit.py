"""`riskwarden audit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.verification import verify_store
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    err,
    fail,
    out,
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
) -> None:
    """Check every record of the chain. Exit code 0: intact, 1: broken, 2: cannot be read."""
    path = database or data / LenientPolicy(policy).database
    if not path.is_file():
        fail(f"{path}: no audit database; name the data folder with --data")
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
                path, progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
    except UnreadableDatabaseError as error:
        fail(str(error))
    if not result.ok:
        for problem in result.problems:
            err.print(str(problem), markup=False)
        fail(f"{path}: the audit chain is broken; {result.events} events were read", 1)
    out.print(f"{path}: intact, {result.events} events, head {result.head.checksum}")
