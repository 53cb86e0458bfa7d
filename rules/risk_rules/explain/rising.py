"""Escalations that follow from how often a breach begins, or from where it heads."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.contracts import limit_alert
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.spoken import spoken
from risk_rules import frequency, trend
from risk_rules.explain.explanation import Rising
from risk_rules.rule import AlertRule


def rising(policy: Policy, limit: Limit, spec: AlertSpec) -> tuple[Rising, ...]:
    """Every one of them that the policy wants for a tier."""
    return (*_frequency(policy, spec), *_trend(policy, limit, spec))


def _frequency(policy: Policy, spec: AlertSpec) -> Iterator[Rising]:
    if not frequency.enabled(policy):
        return
    how = policy.alerting.escalation.frequency_based
    third, two_thirds, whole = (
        spoken(frequency.window_seconds(policy, part)) for part in (1 / 3, 2 / 3, 1.0)
    )
    steps = (
        (frequency.raised(spec.severity, 1), how.escalate_at_count, third),
        (frequency.raised(spec.severity, 2), how.deduplicate_at_count, two_thirds),
    )
    told = {spec.severity}
    for severity, count, window in steps:
        # A level that it has already reached tells nobody anything new.
        if severity not in told:
            told.add(severity)
            yield Rising("frequency", f"begins {count} times within {window}", severity.value)
    when = f"begins {how.storm_alert_at_count} times within {whole}, over everything of its kind"
    yield Rising("frequency", f"{when}: {ALERT_STORM.name}, kill-switch review", "")


def _trend(policy: Policy, limit: Limit, spec: AlertSpec) -> Iterator[Rising]:
    if not any(isinstance(rule, AlertRule) for rule in trend.trend_rules(policy, limit)):
        return
    how = policy.alerting.escalation.threshold_based
    for ahead in trend.tiers_ahead(limit, spec):
        target = shown(limit.unit.kind, limit_alert.bound(policy, limit, ahead))
        when = (
            f"has got worse for {spoken(how.trend_window_minutes * 60)} and is on its way to "
            f"{target} ({ahead.name}) within {spoken(how.project_minutes * 60)}"
        )
        yield Rising("trend", when, ahead.severity.value)
