"""The rules of a limit: its value, the latch of every tier, the alerts.

Where several series claim the same identity (two exporters, a restart), the most dangerous
one counts. NaN is never beyond a threshold, and never hides a number beside it.

What belongs to an account always has a value. Of what grows with the number of positions only
that is looked at which is beyond the mildest clear level: one dense pass per limit, and tiers,
latches and alerts work on the few that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side
from risk_policy.contracts import alert as labels
from risk_policy.contracts.limit_alert import bound, clear_level, static_labels
from risk_policy.model import Policy
from risk_rules import latches, promql, wording
from risk_rules.latches import Latch, known_rule, value_of, value_rule
from risk_rules.rule import AlertRule, RecordingRule
from risk_rules.timing import confirmation_seconds

_MOST_DANGEROUS: Final = {Side.ABOVE: "max", Side.BELOW: "min"}
_CLAMP: Final = {Side.ABOVE: "clamp_min", Side.BELOW: "clamp_max"}
#: Lets a value that is exactly at an inclusive clear level pass the cut.
_HAIR: Final = 1e-9


def limit_rules(policy: Policy, limit: Limit) -> Iterator[RecordingRule | AlertRule]:
    """Every rule of a limit but its escalations, in the order in which they need each other.

    The worst tier comes first: Prometheus sends what a rule fires before it evaluates the next,
    and sends the rest when that has been answered. No kill waits for a warning's answer.
    """
    yield known_rule(policy, limit.name)
    yield latches.raw_rule(policy, limit.name, limit.name, _reported(policy, limit))
    yield value_rule(limit.name)
    for spec in reversed(limit.alerts):
        yield from _latch_rules(policy, limit, spec)
        yield alert_rule(policy, limit, spec)


def _reported(policy: Policy, limit: Limit) -> str:
    """What the metric says now, once per identity; NaN if that is all there is."""
    series = promql.series(limit.metric)
    if any(other.metric is limit.metric for other in LIMITS if other is not limit):
        # Each limit that shares a metric has series of its own, told apart by their risk_id.
        series = promql.series_below(limit.metric, labels.RISK_ID, limit.name)
    value = promql.aggregate(
        _MOST_DANGEROUS[limit.side],
        limit.metric,
        (labels.RISK_ID, *limit.identity),
        f"abs({series})" if limit.absolute else series,
    )
    if not limit.is_account_level:
        cut = promql.number(_cut(policy, limit))
        # Clamping keeps NaN, which is equal to nothing, and so does the comparison.
        value = f"({_CLAMP[limit.side]}({value}, {cut}) != {cut})"
    return value


def alert_rule(policy: Policy, limit: Limit, spec: AlertSpec) -> AlertRule:
    """The alert of one tier of a limit."""
    return AlertRule(
        name=spec.name,
        expression=f"{value_of(limit.name)} and on (risk_id) {firing(policy, limit, spec)}",
        labels=static_labels(limit, spec),
        annotations=wording.limit_annotations(
            policy, limit, spec, wording.subject(limit.identity), wording.value_of(limit)
        ),
        many=not limit.is_account_level,
    )


def firing(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    """The tier's breach, once confirmed and for as long as it is held."""
    latch = latch_of(limit, spec)
    breach = latch.confirmed(policy, confirmation_seconds(policy, spec.tier))
    return f"({breach} or on (risk_id) {latch.until})" if limit.cooldown else breach


def latch_of(limit: Limit, spec: AlertSpec) -> Latch:
    """The latch of one tier."""
    return Latch(limit.name, spec.tier.value)


def _latch_rules(policy: Policy, limit: Limit, spec: AlertSpec) -> Iterator[RecordingRule]:
    value, latch = value_of(limit.name), latch_of(limit, spec)
    begins = f"{value} {limit.operator} {promql.number(bound(policy, limit, spec))}"
    goes_on = f"{value} {limit.operator} {promql.number(clear_level(policy, limit, spec))}"
    yield latch.rule(begins, goes_on)
    if limit.cooldown:
        breach = latch.confirmed(policy, confirmation_seconds(policy, spec.tier))
        minutes = policy.number(f"{limit.cooldown}.cooldown_minutes")
        start = policy.text(f"{limit.cooldown}.cooldown_from")
        yield latch.cooldown_rule(policy, minutes, start, breach)


def _cut(policy: Policy, limit: Limit) -> float:
    """Beyond this a value is worth looking at."""
    level = clear_level(policy, limit, limit.alerts[0])
    return round(level - limit.side.sign * _HAIR, 10) if limit.inclusive else level
