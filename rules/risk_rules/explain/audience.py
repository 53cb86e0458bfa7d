"""Who is told about a severity, how fast, and what makes it quiet."""

from __future__ import annotations

import shlex

from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Severity, Tier
from risk_rules.explain.explanation import Acknowledgement, Told
from risk_rules.explain.words import listed
from risk_rules.promql import quoted


def told(policy: Policy, severity: Severity) -> Told:
    """Channels and pace of a severity."""
    channels, silent = [], []
    for name in policy.alerting.channels.names():
        channel = getattr(policy.alerting.channels, name)
        if not channel.enabled:
            silent.append(f"{name} (not enabled)")
        elif channel.min_severity.rank > severity.rank:
            silent.append(f"{name} (from {channel.min_severity})")
        else:
            channels.append(name)
    pace = policy.alerting.routing.of(severity)
    return Told(
        severity.value,
        tuple(channels),
        tuple(silent),
        pace.group_wait_seconds,
        pace.group_interval_seconds,
        pace.repeat_interval_seconds,
    )


def acknowledgement(
    policy: Policy,
    limit: str,
    identity: tuple[str, ...],
    tiers: tuple[Tier, ...],
    worse: tuple[Tier, ...],
) -> Acknowledgement:
    """The silence that acknowledges tiers of a limit, the last of them being the one meant.

    Args:
        worse: tiers beyond it, which stay loud.
    """
    if not tiers:
        return Acknowledgement("Nothing: it tells of something, and does not escalate.", "")
    risk_id = labels.risk_id(limit, *(name.upper() for name in identity))
    words = tuple(tier.value for tier in tiers)
    return Acknowledgement(_covers(tiers, worse), command(policy, risk_id, words), words)


def command(policy: Policy, risk_id: str, tiers: tuple[str, ...]) -> str:
    """The amtool command that acknowledges tiers of one risk_id for an hour."""
    one = len(tiers) == 1
    tier = f'{labels.TIER}="{tiers[0]}"' if one else f'{labels.TIER}=~"{"|".join(tiers)}"'
    arguments = [
        "amtool", "silence", "add",
        f"--alertmanager.url=http://{policy.alerting.endpoints.alertmanager}",
        "--duration=1h", "--comment=why", f"{labels.RISK_ID}={quoted(risk_id)}", tier,
    ]  # fmt: skip
    return shlex.join(arguments)


def _covers(tiers: tuple[Tier, ...], worse: tuple[Tier, ...]) -> str:
    rest = f"; tier {listed(worse, 'or')} still notifies" if worse else ""
    return (
        "An active silence on its risk_id and tiers, never on its severity. It covers tier "
        f"{listed(tiers)} with all escalations{rest}. When it ends, the clock starts anew."
    )
