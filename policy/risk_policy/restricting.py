"""What the actions of alerts hold at the gate under a policy, for all who hold, tell or judge it.

Sizes and latches come from the policy alone; what kind of restriction an action is stands in
:mod:`risk_policy.contracts.restriction`.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import INTRADAY_DRAWDOWN
from risk_policy.contracts.restriction import HELD_BY_ACTION, RestrictionKind
from risk_policy.model.policy import Policy
from risk_policy.vocabulary import Action, Tier

_ACTIONS: Final = {action.value: kind for action, kind in HELD_BY_ACTION.items()}
#: What the gate does with orders, completes "The gate refuses ...".
REFUSED: Final = {
    RestrictionKind.HALT_NEW_TRADES: "every order that adds risk",
    RestrictionKind.REDUCE_ONLY: "every order that adds risk; nothing is closed by itself",
    RestrictionKind.PAUSE_NEW_ENTRIES: "every order that adds risk, for the time being",
    RestrictionKind.BLOCK_TRADE: "orders that add to what the alert is about",
    RestrictionKind.REDUCE_SIZE: "orders that add risk and are larger than a share of their size",
}


def kind_of(action: str) -> RestrictionKind | None:
    """What an action, as written, holds; None if it holds nothing."""
    return _ACTIONS.get(action)


def refused(action: Action) -> str:
    """What orders an action refuses, in words; empty if it refuses none."""
    kind = HELD_BY_ACTION.get(action)
    return REFUSED[kind] if kind else ""


def size_ratio(policy: Policy, kind: RestrictionKind, tier: str) -> float | None:
    """The share of its full size that a new order may have; None if that is not what is held.

    The mildest tier reduces, every other one reduces further; so does one that is not known.
    """
    if kind is not RestrictionKind.REDUCE_SIZE:
        return None
    streak = policy.alerting.circuit_breakers.consecutive_losses
    is_mildest = tier == Tier.WARNING
    return (streak.reduced_size_pct if is_mildest else streak.further_reduced_size_pct) / 100


def latching(policy: Policy) -> frozenset[str]:
    """The alerts whose restrictions outlive them until somebody resumes."""
    if not policy.alerting.circuit_breakers.drawdown.require_manual_resume:
        return frozenset()
    return frozenset(
        spec.name for spec in INTRADAY_DRAWDOWN.alerts if spec.action in HELD_BY_ACTION
    )


def told(policy: Policy, alertname: str, action: Action, tier: str) -> tuple[str, ...]:
    """What the gate does for an alert, and how that ends, a sentence each; none if it does nothing.

    ``tier`` decides about sizes alone.
    """
    kind = HELD_BY_ACTION.get(action)
    if kind is None:
        return ()
    ratio = size_ratio(policy, kind, tier)
    what = REFUSED[kind] if ratio is None else f"orders larger than {ratio:.0%} of their full size"
    ends = "Lifts that when the alert is over; while nobody can know whether it is, it stays."
    if alertname in latching(policy):
        ends = "Keeps that up after the alert is over, until somebody resumes: riskwarden resume."
    return (
        f"Holds the gate for what the alert is about: refuses {what}.",
        "Lets every order pass that only reduces risk.",
        ends,
    )
