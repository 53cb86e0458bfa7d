"""Proofs of the recorded series: every threshold once, and the digest."""

from __future__ import annotations

from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_rules import promql
from risk_rules.proofs.series import scenario
from risk_rules.recorded import COMPONENT


def recorded_scenario(policy: Policy) -> dict[str, Any]:
    """All thresholds and nothing else."""
    thresholds = [
        _sample(
            m.THRESHOLD.name,
            {labels.LIMIT: limit.name, labels.TIER: spec.tier.value},
            limit.bound(policy.number(spec.threshold)),
        )
        for limit in LIMITS
        for spec in limit.alerts
    ]
    own = {"component": COMPONENT, "digest": policy.digest}
    timing = policy.alerting.prometheus
    return scenario(
        "thresholds and digest are recorded",
        timing.scrape_interval_seconds,
        [],
        [],
        [
            _expects(m.THRESHOLD.name, timing.evaluation_interval_seconds, thresholds),
            _expects(
                m.POLICY_INFO.name,
                timing.evaluation_interval_seconds,
                [_sample(m.POLICY_INFO.name, own, 1)],
            ),
        ],
    )


def _expects(expression: str, at_seconds: float, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expr": expression, "eval_time": duration(at_seconds), "exp_samples": samples}


def _sample(name: str, named: dict[str, str], value: float) -> dict[str, Any]:
    inside = ", ".join(f"{label}={promql.quoted(text)}" for label, text in named.items())
    return {"labels": f"{name}{{{inside}}}", "value": value}
