"""Alerts about the risk layer itself. Each must fire because something is missing.

A dead part answers nothing, so no expression here relies on the sick part's own word: what
is gone from Prometheus altogether counts as down, and data that nobody sends as stale.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Category, Escalation, Layer, Tier
from risk_rules import promql, wording
from risk_rules.rule import AlertRule
from risk_rules.timing import account_hold_seconds, failure_memory_seconds, off_multiple

#: Scrape jobs of ``prometheus.yml``. They name a part for good; its address may change.
EXPORTER_JOB: Final = "riskwarden-exporter"
RECEIVERS_JOB: Final = "riskwarden-receivers"

#: Written by Prometheus itself: 1 after a scrape that worked, 0 after one that did not.
UP: Final = Metric("up", "Whether the latest scrape of a target worked.", ("job", "instance"))

_ACCOUNT: Final = "account"


def system_rules(policy: Policy) -> tuple[AlertRule, ...]:
    """Every alert of the system catalogue."""
    return (
        watchdog(policy),
        _part_down(policy, system.EXPORTER_DOWN, EXPORTER_JOB),
        _part_down(policy, system.RECEIVERS_DOWN, RECEIVERS_JOB),
        data_stale(policy),
        no_snapshot(policy),
        policy_drift(policy),
    )


def watchdog(policy: Policy) -> AlertRule:
    """Always fires."""
    return _rule(policy, system.WATCHDOG, "vector(1)", labels.risk_id(system.WATCHDOG.limit))


def _part_down(policy: Policy, alert: SystemAlert, job: str) -> AlertRule:
    """A part whose target is down, or of which Prometheus knows no target at all.

    Both are one condition without labels, so that going from one to the other does not
    start ``for`` anew. A part that keeps dying and coming back is down as well: each failure
    counts for a while, shorter than ``for``, so that a single one still means nothing.
    """
    up = promql.series(UP, job=job)
    answers = f"min({up}) == 1"
    if memory := failure_memory_seconds(policy, policy.number(alert.duration)):
        answers += f" and min(min_over_time({up}[{promql.duration(memory)}])) == 1"
    return _rule(policy, alert, f"absent({answers})", labels.risk_id(alert.limit, job))


def data_stale(policy: Policy) -> AlertRule:
    """An account whose latest snapshot is too old.

    The age is held until RISK_EXPORTER_DOWN fires, so a dying exporter cannot resolve it.
    """
    age = promql.aggregate(
        "max",
        m.SNAPSHOT_AGE,
        (_ACCOUNT,),
        promql.latest(m.SNAPSHOT_AGE, account_hold_seconds(policy)),
    )
    too_old = f"{age} > {promql.number(policy.alerting.system.snapshot_stale_seconds)}"
    limited = promql.with_constant_label(too_old, labels.LIMIT, system.DATA_STALE.limit)
    expression = promql.with_joined_label(limited, labels.RISK_ID, "/", (labels.LIMIT, _ACCOUNT))
    about = wording.subject((_ACCOUNT,))
    return AlertRule(
        name=system.DATA_STALE.name,
        expression=expression,
        labels=static_labels(system.DATA_STALE),
        annotations=wording.stale_annotations(policy, about, wording.DURATION_VALUE),
    )


def no_snapshot(policy: Policy) -> AlertRule:
    """An exporter that answers, now and then at least, and knows of no account.

    That is how a restarted exporter looks whose runtime is dead: nothing is old, nothing
    is there. Prometheus must have looked for as long as a snapshot may be old. A starting
    exporter has one scrape to hear of its account, as RISK_EXPORTER_DOWN still fires then.
    """
    stale = policy.alerting.system.snapshot_stale_seconds
    window = promql.duration(off_multiple(policy, stale))
    up = promql.series(UP, job=EXPORTER_JOB)
    expression = (
        f"absent_over_time({promql.series(m.SNAPSHOT_AGE)}[{window}])\n"
        f"and on () (max_over_time({up}[{window}]) == 1 and {up} offset {promql.duration(stale)})"
    )
    return AlertRule(
        name=system.DATA_STALE.name,
        expression=expression,
        labels=static_labels(system.DATA_STALE, labels.risk_id(system.DATA_STALE.limit)),
        annotations=wording.no_snapshot_annotations(policy),
        for_seconds=no_snapshot_wait_seconds(policy),
    )


def no_snapshot_wait_seconds(policy: Policy) -> float:
    """One scrape, if RISK_EXPORTER_DOWN outlives the failure that long; else nothing."""
    down = policy.alerting.system.exporter_down_seconds
    covered = failure_memory_seconds(policy, down) > 0
    return policy.alerting.prometheus.scrape_interval_seconds if covered else 0


def policy_drift(policy: Policy) -> AlertRule:
    """More than one policy digest among the running parts and these rules."""
    digests = promql.aggregate(
        "count",
        m.POLICY_INFO,
        ("digest",),
        promql.latest(m.POLICY_INFO, account_hold_seconds(policy)),
    )
    alert = system.POLICY_DRIFT
    return _rule(policy, alert, f"count({digests}) > 1", labels.risk_id(alert.limit))


def static_labels(alert: SystemAlert, risk_id: str = "") -> dict[str, str]:
    """Labels of a system alert. Its tier is its severity; what is milder has none."""
    severity = alert.severity.value
    tier = {labels.TIER: severity} if severity in set(Tier) else {}
    return {
        labels.LIMIT: alert.limit,
        **({labels.RISK_ID: risk_id} if risk_id else {}),
        **tier,
        labels.SEVERITY: severity,
        labels.ESCALATION: Escalation.NONE.value,
        labels.CATEGORY: Category.SYSTEM.value,
        labels.LAYER: Layer.SYSTEM.value,
        labels.ACTION: alert.action.value,
    }


def _rule(policy: Policy, alert: SystemAlert, expression: str, risk_id: str) -> AlertRule:
    return AlertRule(
        name=alert.name,
        expression=expression,
        labels=static_labels(alert, risk_id),
        annotations=wording.system_annotations(policy, alert),
        for_seconds=policy.number(alert.duration) if alert.duration else 0,
    )
