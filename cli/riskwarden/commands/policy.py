"""`riskwarden policy check|show|schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from risk_policy import Policy, written_keys, written_places
from risk_policy.catalogue.limits import LIMITS
from risk_policy.pending import without_effect
from risk_policy.schema import policy_schema
from risk_policy.settings import flat
from riskwarden.commands.common import (
    PolicyOption,
    err,
    fail_with,
    out,
    policy_or_fail,
    policy_path,
)
from riskwarden.readiness import start_problems

app = typer.Typer(help="Check, show and describe the policy.", no_args_is_help=True)

PolicyArgument = Annotated[Path | None, typer.Argument(help="The policy file.", show_default=False)]


@app.command()
def check(path: PolicyArgument = None, policy: PolicyOption = None) -> None:
    """Check the policy; every problem at once, with file, line, key, value and remedy."""
    loaded = policy_or_fail(path or policy)
    written = written_keys(policy_path(path or policy))
    if problems := tuple(start_problems(loaded, written)):
        fail_with(loaded.source, problems, "the receivers would not start")
    for key, line in without_effect(loaded, written).items():
        _note(loaded, f"accepted, not yet in effect: {key} (line {line})")
    channels = loaded.alerting.channels
    if not any(getattr(channels, name).enabled for name in channels.names()):
        _note(loaded, "no channel is enabled: everything is recorded, and nobody is told")
    tiers = sum(len(limit.alerts) for limit in LIMITS)
    out.print(
        f"{loaded.source}: valid; {len(LIMITS)} limits, {tiers} tiers, sha256 {loaded.digest}"
    )


def _note(policy: Policy, text: str) -> None:
    err.print(f"{policy.source}: {text}", markup=False)


@app.command()
def show(
    path: PolicyArgument = None,
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the effective policy, defaults included; secrets appear as the variable they name."""
    loaded = policy_or_fail(path or policy)
    values = loaded.model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps({"sha256": loaded.digest, **values}, indent=2, ensure_ascii=False))
        return
    written = written_places(policy_path(path or policy))
    has_layers = len({place.file for place in written.values()}) > 1
    table = Table(title=f"{loaded.source}  sha256 {loaded.short_digest}…", title_justify="left")
    table.add_column("key")
    table.add_column("value", overflow="fold")
    table.add_column("from")
    for key, value in flat(values).items():
        place = written.get(key)
        where = f"{Path(place.file).name}:{place.line}" if place and has_layers else "file"
        origin = where if place else "default"
        table.add_row(key, json.dumps(value, ensure_ascii=False), origin)
    out.print(table)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    typer.echo(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
