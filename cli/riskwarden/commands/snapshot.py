"""`riskwarden snapshot`: what stands between a decision and a live order, read and not touched."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from risk_policy.contracts.safety_snapshot import SafetySnapshot
from risk_policy.contracts.safety_snapshot_parts import SourceState
from riskwarden.commands.common import (
    LATEST,
    DataOption,
    PolicyOption,
    fail,
    out,
    policy_path,
    warn,
)
from riskwarden.safety_snapshot.difference import Difference, compare
from riskwarden.safety_snapshot.markdown import markdown
from riskwarden.safety_snapshot.output import OutputError, check, write
from riskwarden.safety_snapshot.sources import content_of
from riskwarden.safety_snapshot.taking import Wanted, take

app = typer.Typer(help="The read-only safety snapshot.", invoke_without_command=True)

_STDOUT = Path("-")
_FileOption = Path | None


@app.callback(invoke_without_command=True)
def snapshot(
    context: typer.Context,
    data: DataOption = LATEST,
    policy: PolicyOption = None,
    as_json: Annotated[
        _FileOption,
        typer.Option("--json", metavar="FILE", help="As JSON into a file; - is standard output."),
    ] = None,
    as_markdown: Annotated[
        _FileOption,
        typer.Option("--markdown", metavar="FILE", help="As Markdown into a file; - as above."),
    ] = None,
    to_stdout: Annotated[
        bool, typer.Option("--stdout", help="Markdown to standard output; so without any of these.")
    ] = False,
    drills: Annotated[
        Path, typer.Option("--drills", envvar="RISKWARDEN_DRILLS", help="Folder of the drill log.")
    ] = Path("var/drills"),
    exporters: Annotated[
        list[Path] | None,
        typer.Option("--exporter", help="Data folder of a sidecar; once for each.", metavar="DIR"),
    ] = None,
    environment: Annotated[
        str, typer.Option("--environment", help="Its name; else that of the policy.")
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Read files alone; ask nobody who runs.")
    ] = False,
) -> None:
    """Show whether live orders are possible and what holds them back. Changes nothing.

    Gates of the runtimes, limits with their lines, kill switch, restrictions, gate, drills,
    versions and digests. What cannot be read is said to be unknown.
    """
    if context.invoked_subcommand is not None:
        return
    printed = (as_json == _STDOUT) + (as_markdown == _STDOUT or to_stdout)
    if printed > 1:
        fail("standard output can hold one of both; name a file for the other")
    if not data.is_dir():
        warn(f"{data}: there is no such folder; name the stack's with --data")
    wanted = Wanted(
        data=data,
        policy=policy_path(policy),
        drills=drills,
        exporters=tuple(exporters or ()),
        environment_id=environment,
        ask=not offline,
    )
    taken = take(wanted)
    files = [one for one in (as_json, as_markdown) if one is not None and one != _STDOUT]
    try:
        check(files, data=data, read=[one.where for one in taken.sources])
        if as_json is not None:
            write(_target(as_json), taken.model_dump_json(indent=2) + "\n")
        if as_markdown is not None:
            write(_target(as_markdown), markdown(taken))
        if to_stdout or (as_json is None and as_markdown is None):
            write(None, markdown(taken))
    except OutputError as error:
        fail(str(error))
    for source in taken.sources:
        if source.state is SourceState.UNREADABLE:
            warn(f"{source.name} ({source.where}): {source.note}")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="The earlier one, as JSON.")],
    after: Annotated[Path, typer.Argument(help="The later one, as JSON.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what changed between two snapshots. Exit code 0: nothing, 1: something, 2: unreadable."""
    found = compare(_read(before), _read(after))
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        for change in found.changes:
            out.print(escape(change.text))
        if not found.changes:
            out.print("nothing changed")
        for said in found.meanwhile:
            out.print(f"[dim]({escape(said)})[/]")
    raise typer.Exit(1 if found.changes else 0)


def _target(path: Path) -> Path | None:
    return None if path == _STDOUT else path


def _as_json(found: Difference) -> dict[str, object]:
    return {
        "same": not found.changes,
        "changes": [dataclasses.asdict(change) for change in found.changes],
        "meanwhile": list(found.meanwhile),
    }


def _read(path: Path) -> SafetySnapshot:
    """A snapshot that was kept, or the command ends; what is in the file is never quoted."""
    try:
        return SafetySnapshot.model_validate_json(content_of(path).data)
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        fail(f"{path}: is no snapshot of this version, see {where or 'its beginning'}")
