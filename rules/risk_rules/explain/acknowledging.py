"""What makes an alert quiet without hiding what is worse."""

from __future__ import annotations

import shlex
from typing import Final

from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.spoken import listed
from risk_policy.vocabulary import Tier
from risk_rules.explain.explanation import Acknowledgement
from risk_rules.promql import quoted

_OWN: Final = "riskwarden ack INCIDENT --comment=why"


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
    return Acknowledgement(_covers(tiers, worse), command(policy, risk_id, words), _OWN, words)


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
