"""Proofs of the recorded series: every threshold once, and the digest."""

from __future__ import annotations

from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_rules.proofs.series import Clock, samples_check, scenario
from risk_rules.recorded import COMPONENT


def recorded_scenario(policy: Policy, clock: Clock) -> dict[str, Any]:
    """All thresholds and nothing else."""
    thresholds = [
        (
            {"__name__": m.THRESHOLD.name, labels.LIMIT: limit.name, labels.TIER: spec.tier.value},
            limit.bound(policy.number(spec.threshold)),
        )
        for limit in LIMITS
        for spec in limit.alerts
    ]
    own = {"__name__": m.POLICY_INFO.name, "component": COMPONENT, "digest": policy.digest}
    return scenario(
        "recorded: every threshold once, and the policy's digest",
        clock,
        [],
        [],
        [
            samples_check(m.THRESHOLD.name, clock.evaluation, thresholds),
            samples_check(m.POLICY_INFO.name, clock.evaluation, [(own, 1)]),
        ],
    )
