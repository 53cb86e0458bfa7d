"""Escalation by time: what nobody acknowledges counts as worse, and in the end as a question.

An acknowledgement reaches the rules as the time at which it ends, so it outlives a dead
receivers service and lapses by itself; the clock then starts anew. Nothing here depends on
the receivers: without them nothing is acknowledged, and everything escalates.
"""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.catalogue.system import SYSTEM_ALERTS, SystemAlert
from risk_policy.contracts import limit_alert
from risk_policy.contracts.alert import NO_ACCOUNT
from risk_policy.model import Policy
from risk_policy.unanswered import LAST, enabled, steps
from risk_policy.vocabulary import Escalation, Severity
from risk_rules import conditions, limits, promql, wording
from risk_rules.conditions import Condition
from risk_rules.latches import Latch, value_of
from risk_rules.rule import AlertRule, RecordingRule
from risk_rules.timing import confirmation_seconds, half_evaluation_seconds


def time_rules(policy: Policy, limit: Limit) -> Iterator[RecordingRule | AlertRule]:
    """The clock of every breach of a limit, and what it leads to."""
    if not enabled(policy):
        return
    latches = [
        (limits.latch_of(limit, spec), confirmation_seconds(policy, spec.tier))
        for spec in limit.alerts
    ]
    yield from (latch.unacked_rule(policy, seconds) for latch, seconds in latches)
    for spec in limit.alerts:
        for key, severity in steps(spec.severity):
            yield _of_limit(policy, limit, spec, key, severity)


def system_time_rules(policy: Policy) -> Iterator[RecordingRule | AlertRule]:
    """The same for the alerts about the risk layer itself."""
    if not enabled(policy):
        return
    alerts = [alert for alert in SYSTEM_ALERTS if alert.escalates]
    for alert in alerts:
        wait = policy.number(alert.duration) if alert.duration else 0
        yield conditions.latch_of(alert).unacked_rule(policy, wait)
    for alert in alerts:
        for key, severity in steps(alert.severity):
            yield _of_system(policy, alert, key, severity)


def kill_switch_evaluation(policy: Policy) -> Condition:
    """Something has waited so long that somebody has to decide about the kill switch."""
    waiting = f"time() - {promql.series(m.UNACKED_SINCE)} >= {_after(policy, LAST)}"
    longest = promql.with_default_label(f"max by (account) ({waiting})", "account", NO_ACCOUNT)
    return Condition(system.KILL_SWITCH_EVALUATION, longest)


def _of_limit(
    policy: Policy, limit: Limit, spec: AlertSpec, key: str, severity: Severity
) -> AlertRule:
    return AlertRule(
        name=spec.name,
        expression=_waiting(policy, limits.latch_of(limit, spec), key),
        labels=limit_alert.static_labels(limit, spec, severity, Escalation.TIME),
        annotations=wording.time_annotations(
            policy, limit, spec, wording.subject(limit.identity), wording.value_of(limit),
            policy.number(key),
        ),
        many=not limit.is_account_level,
    )  # fmt: skip


def _of_system(policy: Policy, alert: SystemAlert, key: str, severity: Severity) -> AlertRule:
    return AlertRule(
        name=alert.name,
        expression=_waiting(policy, conditions.latch_of(alert), key),
        labels=conditions.static_labels(policy, alert, "", severity, Escalation.TIME),
        annotations=wording.system_time_annotations(policy, alert, policy.number(key)),
    )


def _waiting(policy: Policy, latch: Latch, key: str) -> str:
    return (
        f"{value_of(latch.limit)} "
        f"and on (risk_id) (time() - {latch.unacked} >= {_after(policy, key, latch.limit)})"
    )


def _after(policy: Policy, key: str, limit: str = "") -> str:
    half = half_evaluation_seconds(policy, limit)
    return promql.number(round(policy.number(key) * 60 - half, 3))
