"""Escalation by trend: a breached limit that keeps getting worse, and the threshold it heads for.

A trend is judged on the value with the sign that makes rising dangerous, sampled a hundred
times and more within its window. It is one only if it rises over the whole window and still
does, if the worst values of its sixths never fall back, if enough of them are worse than the
one before, and if it has moved by more than the margin at which breaches clear.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.contracts import alert as labels
from risk_policy.contracts.limit_alert import bound, clear_level, static_labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Escalation
from risk_rules import promql, wording
from risk_rules.latches import value_of
from risk_rules.limits import latch_of
from risk_rules.rule import AlertRule, RecordingRule
from risk_rules.timing import milliseconds, trend_interval_seconds

_BUCKETS: Final = 6


def trend_rules(policy: Policy, limit: Limit) -> Iterator[RecordingRule | AlertRule]:
    """The sampled value, its rate if it has a trend, and where that leads."""
    how = policy.alerting.escalation
    ahead = [(spec, worse) for spec in limit.alerts for worse in tiers_ahead(limit, spec)]
    if not (how.enabled and how.threshold_based.enabled and ahead):
        return
    yield _sampled(limit)
    yield _rate_rule(policy, limit)
    for spec, worse in ahead:
        yield _projected(policy, limit, spec, worse)


def tiers_ahead(limit: Limit, spec: AlertSpec) -> tuple[AlertSpec, ...]:
    """What a tier can head for: the nearest threshold of every severity worse than its own."""
    further = limit.alerts[limit.alerts.index(spec) + 1 :]
    nearest = {ahead.severity: ahead for ahead in reversed(further)}
    return tuple(
        ahead
        for ahead in further
        if nearest[ahead.severity] is ahead and ahead.severity.rank > spec.severity.rank
    )


def _rate_rule(policy: Policy, limit: Limit) -> RecordingRule:
    """How fast, per second; only of what has a trend."""
    window, bucket = _ranges(policy)
    value = promql.series(m.TREND_VALUE, limit=limit.name)
    worst = f"max_over_time({value}[{bucket}])[{window}:{bucket}]"
    steps = promql.number(policy.alerting.escalation.threshold_based.min_datapoints - 1)
    expression = (
        f"(deriv({value}[{window}]) > 0)\n"
        f"and (deriv({value}[{bucket}]) > 0)\n"
        f"and (resets({worst}) == 0)\n"
        f"and (changes({worst}) >= {steps})"
    )
    return RecordingRule(m.TREND_RATE.name, expression, {labels.LIMIT: limit.name})


def _sampled(limit: Limit) -> RecordingRule:
    sign = "" if limit.side.sign > 0 else "-1 * "
    return RecordingRule(
        m.TREND_VALUE.name, f"{sign}{value_of(limit.name)}", {labels.LIMIT: limit.name}
    )


def _projected(policy: Policy, limit: Limit, spec: AlertSpec, ahead: AlertSpec) -> AlertRule:
    """A tier that is breached counts as the one ahead once that is near in time."""
    window, _ = _ranges(policy)
    value = promql.series(m.TREND_VALUE, limit=limit.name)
    target = promql.number(round(limit.side.sign * bound(policy, limit, ahead), 10))
    floor = promql.number(
        round(abs(bound(policy, limit, spec) - clear_level(policy, limit, spec)), 10)
    )
    minutes = policy.alerting.escalation.threshold_based.project_minutes
    expression = (
        f"(({target} - {value}) / {promql.series(m.TREND_RATE, limit=limit.name)}"
        f" <= {promql.number(minutes * 60)})\n"
        f"and on (risk_id) ({value} - min_over_time({value}[{window}]) > {floor})\n"
        f"and on (risk_id) {latch_of(limit, spec).since}\n"
        f"unless on (risk_id) {latch_of(limit, ahead).since}"
    )
    return AlertRule(
        name=spec.name,
        expression=expression,
        labels=static_labels(limit, spec, ahead.severity, Escalation.TREND),
        annotations=wording.trend_annotations(
            policy, limit, spec, ahead, wording.subject(limit.identity), wording.DURATION_VALUE
        ),
    )


def _ranges(policy: Policy) -> tuple[str, str]:
    """The window and its sixth, both half a sample longer than a multiple of the samples."""
    step = trend_interval_seconds(policy)
    window = policy.alerting.escalation.threshold_based.trend_window_minutes * 60

    def longer(seconds: float) -> str:
        return promql.duration(milliseconds(seconds + step / 2))

    return longer(window), longer(window / _BUCKETS)
