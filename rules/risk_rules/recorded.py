"""What the rules tell about themselves: every threshold, and the policy they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_rules import promql
from risk_rules.rule import RecordingRule

#: The ``component`` under which the rules report their policy digest.
COMPONENT: Final = "rules"


def recorded_rules(policy: Policy) -> Iterator[RecordingRule]:
    """One threshold per limit and tier, then the digest."""
    for limit in LIMITS:
        for spec in limit.alerts:
            bound = limit.bound(policy.number(spec.threshold))
            yield RecordingRule(
                m.THRESHOLD.name,
                f"vector({promql.number(bound)})",
                {labels.LIMIT: limit.name, labels.TIER: spec.tier.value},
            )
    yield RecordingRule(
        m.POLICY_INFO.name, "vector(1)", {"component": COMPONENT, "digest": policy.digest}
    )
