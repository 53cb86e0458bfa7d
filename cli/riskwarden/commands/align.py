"""`riskwarden align [--check]`: what trips the kill switch is evaluated just behind the scrape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from risk_policy import Policy
from risk_policy.model.stack import Endpoints
from risk_rules.errors import PhaseError
from riskwarden import alignment
from riskwarden.alignment import Alignment, Placed
from riskwarden.commands.common import PolicyOption, fail, out, policy_or_fail

_RULES: Final = Path("rules/generated/rules")


def align(
    policy: PolicyOption = None,
    rules: Annotated[
        Path, typer.Option("--rules", help="Folder of the rule files that this Prometheus loads.")
    ] = _RULES,
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus",
            help="Where it listens, host:port; where the policy says unless given.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Measure, change nothing; fail if it is not aligned.")
    ] = False,
) -> None:
    """Have Prometheus evaluate what trips the kill switch just behind its scrape of the exporter.

    It evaluates each group of rules at a moment of its own, which follows from the group's name.
    This measures when the scrapes are, chooses a name whose moment comes right after, and writes
    it into the rule files, where it stays until another is chosen. Prometheus has to load it then.
    """
    loaded = policy_or_fail(policy)
    found = _measured(loaded, prometheus)
    every = loaded.alerting.prometheus.scrape_interval_seconds
    for one in found.ready:
        said = (
            f"exporter {one.target}: its samples are there {_ms(one.seconds)} past each {every:g} s"
        )
        out.print(escape(said))
    for group in found.groups:
        out.print(escape(_told(group)))
    late = [group for group in found.groups if not group.is_aligned]
    if not late:
        return
    if check:
        fail("not aligned; a breach waits that much longer for its kill: riskwarden align", 1)
    if firing := sorted({name for group in late for name in group.firing}):
        fail(f"{', '.join(firing)} fires, and would begin anew: align when that is over", 1)
    _write(late, rules)


def _measured(policy: Policy, address: str | None) -> Alignment:
    at = policy.alerting.endpoints
    try:
        if address is not None:
            at = Endpoints.model_validate({**at.model_dump(), "prometheus": address})
    except ValueError:
        fail(f"--prometheus {address}: not a host:port")
    try:
        return alignment.measure(policy, f"http://{at.prometheus}")
    except PhaseError as error:
        fail(str(error), 1)


def _write(groups: list[Placed], folder: Path) -> None:
    if elsewhere := alignment.loaded_elsewhere(groups, folder):
        fail(
            f"this Prometheus loads {elsewhere}, not what is in {folder}; nothing was changed: "
            f"--rules {elsewhere.parent}",
            1,
        )
    try:
        written = alignment.write(groups, folder)
    except OSError as error:
        fail(
            f"{error.filename}: {error.strerror}; nothing was changed. Name the folder of the "
            "rule files that this Prometheus loads with --rules",
            1,
        )
    out.print(f"wrote {', '.join(map(str, written))}")
    out.print("now have Prometheus load it (SIGHUP), then look: riskwarden align --check")


def _told(group: Placed) -> str:
    is_so = f"{group.name}: evaluated {_ms(group.waits_seconds)} behind them"
    if group.is_aligned:
        return f"{is_so}, aligned"
    return f"{is_so}; as {group.better} it would be {_ms(group.would_wait_seconds)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
