"""`riskwarden audit verify`."""

from __future__ import annotations

import json
import os
import time
from typing import Annotated, Any, Final

import typer

from risk_receivers.audit.chain import Head
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.verifier import Verification
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.prometheus_witness import seen_heads
from risk_receivers.verification import verify_store
from riskwarden.commands.audit.common import (
    DatabaseOption,
    JsonOption,
    database_or_fail,
    head_or_fail,
    key_or_fail,
    progress_bar,
)
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, err, fail, out, warn
from riskwarden.lenient import LenientPolicy

#: As long as a Prometheus keeps what it has seen, if nobody says otherwise.
_WITNESS_HOURS: Final = 15 * 24


def verify(
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="SIZE:ROOT",
            help="A head from a message or an earlier verify, which the chain must pass through.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="NAME+ID+KEY",
            help="The verifier key that must have begun to sign the chain, or its file.",
            show_default=False,
        ),
    ] = None,
    witness: Annotated[
        str | None,
        typer.Option(
            "--witness",
            metavar="URL",
            help="A Prometheus that has scraped the receivers: the chain must pass through every "
            "head that it has seen in 15 days.",
            show_default=False,
        ),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option("--instance", help="Which target's heads count, if it scrapes several."),
    ] = None,
    processes: Annotated[
        int,
        typer.Option("--processes", min=0, help="For long chains.", show_default="one a core"),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Check every record of the chain. Exit code 0: intact, 1: broken, 2: cannot be read.

    Keep the head that it ends with and the verifier key somewhere else: only with --key can it be
    seen that all of it was written and signed anew by somebody else, only with --head, or with
    --witness, that this was done with the stolen key.
    """
    kept = head_or_fail(head)
    seen = _seen_or_fail(witness, instance)
    pinned = [key_or_fail(one) for one in key or ()]
    path = database_or_fail(database, data, policy)
    lenient = LenientPolicy(policy)
    signing_key = None if database else data / lenient.signing_key
    try:
        with progress_bar("verifying") as (progress,):
            result = verify_store(
                path,
                processes=processes or len(os.sched_getaffinity(0)),
                kept=kept,
                seen=seen,
                pinned=pinned,
                signing_key=signing_key,
                signer=None if database else lenient.signer_socket,
                progress=progress,
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
            f"head as it stands {result.tree}",
            1,
        )
    count = result.warning_count
    but = f" with {count} warning{'s' if count != 1 else ''}" if count else ""
    signed = f"signed up to {result.signed} by {result.key}" if result.signed else "not signed"
    gone = f" ({result.deleted} payloads deleted by retention)" if result.deleted else ""
    out.print(f"{path}: intact{but}, {result.events} events{gone}, {signed}, head {result.tree}")


def _seen_or_fail(witness: str | None, instance: str | None) -> list[Head]:
    if witness is None:
        return []
    try:
        seen = seen_heads(witness, hours=_WITNESS_HOURS, now=time.time(), instance=instance)
    except ReceiversError as error:
        fail(f"--witness {error}")
    if not seen:
        fail(f"--witness {witness}: it has seen no head of an audit chain in 15 days")
    return seen


def _as_json(place: Place, result: Verification) -> dict[str, Any]:
    return {
        "database": str(place),
        "intact": result.ok,
        "events": result.events,
        "deleted_payloads": result.deleted,
        "head": str(result.tree),
        "checksum": result.head.checksum,
        "signed": result.signed,
        "key": result.key,
        "problems": [str(problem) for problem in result.problems],
        "problem_count": result.problem_count,
        "warnings": [str(warning) for warning in result.warnings],
        "warning_count": result.warning_count,
    }
