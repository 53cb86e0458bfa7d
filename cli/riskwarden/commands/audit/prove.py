"""`riskwarden audit prove`."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any

import typer

from risk_policy.visible import visible
from risk_receivers.audit import tables
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.merkle import Proof, ProofError
from risk_receivers.audit.prove import Growth, Inclusion, prove_growth, prove_inclusion
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from riskwarden.commands.audit.common import (
    DatabaseOption,
    JsonOption,
    database_or_fail,
    record_or_fail,
)
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail


def prove(
    seq: Annotated[int, typer.Argument(min=1, help="The record's number.")],
    since: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="SIZE",
            min=1,
            help="Prove, too, that the chain goes on from what it was with so many records.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Prove that a record is in what was signed, to somebody who has the verifier key alone.

    Prints a C2SP tlog-proof (c2sp.org/tlog-proof) whose leaf is the record's header; docs/
    audit_chain.md says how to check it by hand. Exit code 1: there is no such proof, 2: the
    database cannot be read.
    """
    path = database_or_fail(database, data, policy)
    for size in (seq, since or 1):
        record_or_fail(size, path)

    def ask(connection: Connection) -> tuple[Inclusion, Growth | None]:
        found = prove_inclusion(connection, seq)
        return found, None if since is None else prove_growth(connection, since)

    try:
        inclusion, growth = tables.read(path, ask)
    except ProofError as error:
        fail(f"{path}: {error}; see what riskwarden audit verify says", 1)
    except UnreadableDatabaseError as error:
        fail(str(error))
    except DATABASE_ERRORS as error:
        fail(f"{path}: {error}")
    if as_json:
        told = json.dumps(_as_json(inclusion, growth), indent=2, ensure_ascii=False)
        typer.echo(visible(told))
        return
    typer.echo(f"record {seq}, whose header is the leaf:\n\n{inclusion.header.decode()}\n")
    typer.echo(f"is in the signed chain {inclusion.head}:\n\n{inclusion.text}")
    if growth is not None:
        typer.echo(f"which goes on from {growth.first}, by the consistency proof (RFC 9162)\n")
        typer.echo("".join(f"{one}\n" for one in _hashes(growth.proof)))
        if growth.first_note:
            typer.echo(f"and that was signed as\n\n{growth.first_note.decode()}")


def _as_json(inclusion: Inclusion, growth: Growth | None) -> dict[str, Any]:
    row = inclusion.row
    told: dict[str, Any] = {
        "seq": row.seq,
        "index": inclusion.index,
        "header": inclusion.header.decode(),
        "checksum": row.checksum.hex() if isinstance(row.checksum, bytes) else None,
        "salt": row.salt.hex() if isinstance(row.salt, bytes) else None,
        "payload": row.payload.decode() if isinstance(row.payload, bytes) else None,
        "head": str(inclusion.head),
        "inclusion": _hashes(inclusion.proof),
        "checkpoint": inclusion.note.decode(),
        "tlog_proof": inclusion.text,
    }
    if growth is not None:
        told["from"] = {
            "head": str(growth.first),
            "checkpoint": growth.first_note.decode() or None,
            "consistency": _hashes(growth.proof),
        }
    return told


def _hashes(proof: Proof) -> list[str]:
    return [base64.b64encode(one).decode() for one in proof]
