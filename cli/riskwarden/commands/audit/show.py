"""`riskwarden audit show`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from risk_policy.visible import visible
from risk_receivers.audit.browse import Browsed, at
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.query import as_json as event_as_json
from risk_receivers.database.connection import DATABASE_ERRORS
from riskwarden.commands.audit.common import (
    DatabaseOption,
    JsonOption,
    database_or_fail,
    record_or_fail,
)
from riskwarden.commands.common import LATEST, DataOption, PolicyOption, fail, out


def show(
    seq: Annotated[int, typer.Argument(min=1, help="The record's number.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="The bytes that stand there, too: what was hashed.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    database: DatabaseOption = None,
) -> None:
    """Show one record whole, checked by itself and with those before and after it.

    Exit code 0: it is what was written as far as that shows, 1: it is not. Only `audit verify`
    checks that the chain it stands in is the one that was written.
    """
    path = database_or_fail(database, data, policy)
    try:
        one, after = at(path, record_or_fail(seq, path))
    except (UnreadableDatabaseError, *DATABASE_ERRORS) as error:
        fail(f"{path}: {error}")
    if one is None:
        fail(f"{path}: there is no record {seq}", 1)
    broken = _link_after(one, after)
    if as_json:
        told = json.dumps(_as_json(one, broken, raw=raw), indent=2, ensure_ascii=False)
        typer.echo(visible(told))
    else:
        _print(one, broken, after, raw=raw)
    raise typer.Exit(0 if one.event is not None and not broken else 1)


def _link_after(one: Browsed, after: Browsed | None) -> str:
    """What is wrong between this record and the next, empty if nothing."""
    if one.event is None or after is None or after.event is not None:
        return ""
    return next((problem for problem in after.problems if "before it" in problem), "")


def _print(one: Browsed, broken: str, after: Browsed | None, *, raw: bool) -> None:
    if one.event is not None:
        told = event_as_json(one.event)
        header = Table(show_header=False, title=f"record {one.seq}", title_justify="left")
        for name, value in (*told["header"].items(), ("checksum", told["checksum"])):
            header.add_row(name, Text(_said(value)))
        out.print(header)
        if told["payload"] is None:
            out.print(f"the payload was deleted by retention (record {told['deleted_by']})")
        else:
            payload = Table(show_header=False, title="payload", title_justify="left")
            for name, value in told["payload"].items():
                payload.add_row(name, Text(_said(value)))
            out.print(payload)
    if raw or one.event is None:
        for name, value in zip(one.row._fields, one.row, strict=True):
            out.print(f"{name}: {_raw(value)}", markup=False)
    for problem in one.problems:
        out.print(f"[bold red]WRONG[/] {visible(problem).replace('[', chr(92) + '[')}")
    if broken:
        out.print(f"[bold red]WRONG[/] record {one.seq + 1} {broken}")
    if one.event is not None and not broken:
        follows = "the next one follows from it" if after else "it is the last one"
        out.print(f"checked: all hashes agree, it follows from the one before, {follows}")


def _as_json(one: Browsed, broken: str, *, raw: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seq": one.seq,
        "intact": one.event is not None and not broken,
        "problems": [*one.problems, *([f"record {one.seq + 1} {broken}"] if broken else [])],
    }
    if one.event is not None:
        told |= event_as_json(one.event)
    if raw or one.event is None:
        told["raw"] = {
            name: _raw(value) for name, value in zip(one.row._fields, one.row, strict=True)
        }
    return told


def _said(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return visible(value)
    return visible(json.dumps(value, ensure_ascii=False, indent=2, default=dict))


def _raw(value: object) -> str:
    """Bytes as text where they are, else in hexadecimal digits."""
    if not isinstance(value, bytes):
        return visible(str(value))
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() and text else value.hex()
