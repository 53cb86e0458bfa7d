"""The alert of one tier of a limit: its labels and its words, whoever raises it.

Prometheus raises it by the generated rules, with templates for what is only known then; the
exporter's fast lane raises it with what it has just measured. Receivers take the two for one
incident because both are made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.quantities import duration, shown
from risk_policy.vocabulary import Escalation, Severity

#: A firing alert ends so many repeats ahead, unless it is repeated: Prometheus does it so.
REPEATS_UNTIL_END: Final = 4


def repeat_seconds(policy: Policy) -> float:
    """How often a firing alert is repeated to the alert feed."""
    settings = policy.alerting.prometheus
    return max(settings.resend_delay_seconds, settings.evaluation_interval_seconds)


def static_labels(
    limit: Limit,
    spec: AlertSpec,
    severity: Severity | None = None,
    escalation: Escalation = Escalation.NONE,
) -> dict[str, str]:
    """Labels that do not depend on what the breach is about."""
    return {
        labels.LIMIT: limit.name,
        labels.TIER: spec.tier.value,
        labels.SEVERITY: (severity or spec.severity).value,
        labels.ESCALATION: escalation.value,
        labels.CATEGORY: limit.category.value,
        labels.LAYER: limit.layer.value,
        labels.ACTION: spec.action.value,
    }


def bound(policy: Policy, limit: Limit, spec: AlertSpec) -> float:
    """Where a breach of a tier begins, in the metric's unit."""
    return limit.bound(policy.number(spec.threshold))


def clear_level(policy: Policy, limit: Limit, spec: AlertSpec) -> float:
    """Where a breach of a tier ends, in the metric's unit."""
    return limit.clear_level(
        bound(policy, limit, spec), policy.alerting.latch.clear_margin_pct / 100
    )


def subject(identity: tuple[str, ...], values: Mapping[str, str]) -> str:
    """What an alert is about, e.g. ``AAPL (account main)``."""
    if not identity:
        return ""
    *outer, innermost = identity
    around = ", ".join(f"{name.replace('_', ' ')} {values[name]}" for name in outer)
    return f"{values[innermost]} ({around})" if around else values[innermost]


def tier_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, about: str, value: str
) -> dict[str, str]:
    """What the alert of a tier tells people."""
    measured = limit.metric.help[:1].lower() + limit.metric.help[1:].rstrip(".")
    stands = stands_at(policy, limit, spec, about, value)
    return {
        **common(
            policy, spec.name, spec.summary, about, f"{stands} Measured: {measured}. {spec.meaning}"
        ),
        **against(policy, limit, spec, value),
    }


def common(policy: Policy, name: str, summary: str, about: str, description: str) -> dict[str, str]:
    """The annotations that every alert has."""
    return {
        "summary": summary.replace("{subject}", about),
        "description": description,
        "runbook_url": policy.alerting.runbooks.base_url + name,
        labels.POLICY_DIGEST: policy.digest,
    }


def stands_at(policy: Policy, limit: Limit, spec: AlertSpec, about: str, value: str) -> str:
    """Where the value stands, where the breach began and where it ends."""
    ends = f"it clears at {shown(limit.unit.kind, clear_level(policy, limit, spec))}"
    if limit.cooldown:
        minutes = policy.number(f"{limit.cooldown}.cooldown_minutes")
        start = policy.text(f"{limit.cooldown}.cooldown_from")
        ends += f", {duration(minutes * 60)} after the {start} at the earliest"
    return (
        f"{limit.title} of {about} is {value}; the {spec.tier} threshold is "
        f"{shown_bound(policy, limit, spec)}, and {ends}."
    )


def against(policy: Policy, limit: Limit, spec: AlertSpec, value: str) -> dict[str, str]:
    """The value and the threshold it is held against, for messages that set them apart."""
    return {labels.VALUE: value, labels.THRESHOLD: shown_bound(policy, limit, spec)}


def shown_bound(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    """The threshold, as people read it."""
    return shown(limit.unit.kind, bound(policy, limit, spec))
