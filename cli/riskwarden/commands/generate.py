"""`riskwarden generate [--check]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk_policy import Policy, PolicyError
from risk_rules import RulesError
from riskwarden import artefacts
from riskwarden.commands.common import PolicyOption, fail, out, policy_or_fail


def generate(
    policy: PolicyOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if anything differs.")
    ] = False,
    root: Annotated[
        Path, typer.Option("--root", help="Folder that holds rules/, alertmanager/ and grafana/.")
    ] = Path(),
) -> None:
    """Write rules, dashboards, Prometheus and Alertmanager configuration from the policy."""
    loaded = policy_or_fail(policy)
    try:
        _generate(loaded, root, check=check)
    except (PolicyError, RulesError) as error:
        fail(f"{loaded.source}: {error}", 1)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 1)


def _generate(loaded: Policy, root: Path, *, check: bool) -> None:
    if not check:
        for drift in artefacts.write(loaded, root):
            out.print(f"{'removed' if drift.kind == 'stray' else 'wrote'} {drift.path}")
        out.print(f"generated files match {loaded.source} (sha256 {loaded.short_digest}…)")
        return
    found = list(artefacts.drifts(loaded, root))
    for drift in found:
        typer.echo(drift.diff or f"{drift.path}: no policy generates this file", nl=False)
        typer.echo()
    if found:
        listed = ", ".join(f"{drift.path} ({drift.kind})" for drift in found)
        fail(f"generated files differ from {loaded.source}: {listed}; run: riskwarden generate", 1)
    out.print(f"generated files match {loaded.source} (sha256 {loaded.short_digest}…)")
