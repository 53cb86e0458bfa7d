"""Escalation by frequency: a breach that keeps beginning is one alert, and a worse one.

Beginnings are counted, not evaluations: the value of a latch is when its breach began, so the
number of different values within a window is the number of breaches that began in it, plus
the one it started with if that began within it. Right at every point, for windows that are
open or closed on the left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.contracts.limit_alert import static_labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Escalation, Severity
from risk_rules import promql, wording
from risk_rules.conditions import Condition
from risk_rules.rule import AlertRule, RecordingRule

#: Within which part of the policy's window so many beginnings are needed.
PARTS: Final = (1 / 3, 2 / 3, 1.0)
_THIRD, _TWO_THIRDS, _WHOLE = PARTS
_WINDOW: Final = "window"
_MOST_SEVERE: Final = max(Severity, key=lambda severity: severity.rank)


def frequency_rules(policy: Policy, limit: Limit) -> Iterator[RecordingRule | AlertRule]:
    """Counts of a limit's breaches, then what follows from them."""
    if not enabled(policy):
        return
    for part in PARTS:
        yield episodes_rule(policy, part, limit.name)
    for spec in limit.alerts:
        yield from _alerts(policy, limit, spec)


def enabled(policy: Policy) -> bool:
    """Whether the policy wants escalation by frequency."""
    how = policy.alerting.escalation
    return how.enabled and how.frequency_based.enabled


def window_seconds(policy: Policy, part: float) -> float:
    """The policy's window, or a part of it, in whole seconds."""
    minutes = policy.alerting.escalation.frequency_based.window_minutes
    return max(round(minutes * 60 * part), 1)


def episodes_rule(policy: Policy, part: float, limit: str) -> RecordingRule:
    """How often each breach began within a window; only where it did."""
    seconds = window_seconds(policy, part)
    since = f"{promql.series(m.BREACH_SINCE, limit=limit)}[{promql.duration(seconds)}]"
    began = f"(min_over_time({since}) > bool (time() - {promql.number(seconds)}))"
    return RecordingRule(
        m.BREACH_EPISODES.name, f"changes({since}) + {began} > 0", {_WINDOW: duration(seconds)}
    )


def raised(severity: Severity, levels: int) -> Severity:
    """So many levels worse, but never beyond the worst."""
    rank = min(severity.rank + levels, _MOST_SEVERE.rank)
    return next(other for other in Severity if other.rank == rank)


def storm(policy: Policy) -> Condition:
    """The same breach, over everything it can be about."""
    episodes = _episodes(policy, _WHOLE)
    count = policy.alerting.escalation.frequency_based.storm_alert_at_count
    summed = f"sum by (limit, tier) ({episodes}) >= {promql.number(count)}"
    watched = promql.with_copied_label(summed, "watched", labels.LIMIT)
    return Condition(system.ALERT_STORM, promql.with_copied_label(watched, "of_tier", labels.TIER))


def _alerts(policy: Policy, limit: Limit, spec: AlertSpec) -> Iterator[AlertRule]:
    """One level up, then two; where both are the worst there is, it is one alert."""
    how = policy.alerting.escalation.frequency_based
    steps = (
        (raised(spec.severity, 1), _THIRD, how.escalate_at_count),
        (raised(spec.severity, 2), _TWO_THIRDS, how.deduplicate_at_count),
    )
    for severity in dict.fromkeys(severity for severity, _, _ in steps):
        if severity is spec.severity:
            continue
        ways = [(part, count) for other, part, count in steps if other is severity]
        expression = "\nor on (risk_id) ".join(
            f"({_episodes(policy, part, limit=limit.name, tier=spec.tier.value)}"
            f" >= {promql.number(count)})"
            for part, count in ways
        )
        yield AlertRule(
            name=spec.name,
            expression=expression,
            # Which window it was is told and is no part of the alert, or it would be another
            # alert as soon as another window sees it.
            labels={**static_labels(limit, spec, severity, Escalation.FREQUENCY), _WINDOW: ""},
            annotations=wording.frequency_annotations(
                policy,
                limit,
                spec,
                wording.subject(limit.identity),
                wording.COUNT_VALUE,
                f"{{{{ $labels.{_WINDOW} }}}}",
            ),
        )


def _episodes(policy: Policy, part: float, **matchers: str) -> str:
    return promql.series(
        m.BREACH_EPISODES, **matchers, window=duration(window_seconds(policy, part))
    )
