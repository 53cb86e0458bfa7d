"""`riskwarden rules diff`: what a change of the policy does, to whom, in words."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from risk_policy import InvalidPolicyError, Policy, load_policy
from risk_rules.diff import PolicyDiff
from risk_rules.diff import diff as diff_policies
from riskwarden.commands.common import fail, out


def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it would be.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a change of the policy does; exit as diff: 0 alike, 1 different, 2 trouble."""
    found = diff_policies(_loaded(old), _loaded(new))
    if as_json:
        content = {"old": str(old), "new": str(new), **found.document()}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(old, new, found)
    raise typer.Exit(0 if found.is_empty else 1)


def _show(old: Path, new: Path, found: PolicyDiff) -> None:
    if found.is_empty:
        out.print(f"{old} and {new} mean the same: nothing changes for anybody.", markup=False)
        return
    for kind, changes in groupby(found.changes, key=lambda change: change.kind):
        out.print(Text(kind.value.capitalize(), "bold"))
        for change in changes:
            out.print(f"  {change.text}", markup=False)
    rules = found.rules
    out.print(
        f"Rules: {rules.changed} changed, {rules.added} added, {rules.removed} removed, "
        f"{rules.alike} as they were.",
        markup=False,
    )


def _loaded(path: Path) -> Policy:
    try:
        return load_policy(path)
    except InvalidPolicyError as error:
        fail(str(error), 2)
