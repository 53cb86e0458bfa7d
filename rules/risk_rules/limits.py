"""Alerts of the limits: one rule per tier.

Where several series claim the same identity (two exporters, a restart), the most dangerous
one counts. NaN is never beyond a threshold, and never hides a number beside it.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import AlertSpec, Limit, Side
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Escalation, Tier
from risk_rules import promql, wording
from risk_rules.rule import AlertRule
from risk_rules.timing import hold_seconds

_MOST_DANGEROUS: Final = {Side.ABOVE: "max", Side.BELOW: "min"}


def limit_rule(policy: Policy, limit: Limit, spec: AlertSpec) -> AlertRule:
    """The alert of one tier of a limit."""
    about = wording.subject(limit.identity)
    return AlertRule(
        name=spec.name,
        expression=expression(policy, limit, spec),
        labels=static_labels(limit, spec),
        annotations=wording.limit_annotations(policy, limit, spec, about, wording.PERCENT_VALUE),
        for_seconds=confirmation_seconds(policy, spec.tier),
    )


def expression(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    """PromQL that is true while the limit's metric is strictly beyond the threshold."""
    value = promql.aggregate(
        _MOST_DANGEROUS[limit.side],
        limit.metric,
        (labels.RISK_ID, *limit.identity),
        promql.latest(limit.metric, hold_seconds(policy, limit)),
    )
    bound = promql.number(limit.bound(policy.number(spec.threshold)))
    return f"{value} {limit.side.value} {bound}"


def static_labels(limit: Limit, spec: AlertSpec) -> dict[str, str]:
    """Labels that do not depend on what the breach is about."""
    return {
        labels.LIMIT: limit.name,
        labels.TIER: spec.tier.value,
        labels.SEVERITY: spec.severity.value,
        labels.ESCALATION: Escalation.NONE.value,
        labels.CATEGORY: limit.category.value,
        labels.LAYER: limit.layer.value,
        labels.ACTION: spec.action.value,
    }


def confirmation_seconds(policy: Policy, tier: Tier) -> float:
    """How long a breach of a tier must last before it fires."""
    return policy.number(f"alerting.confirmation.{tier.value}_seconds")
