"""How long a breach has to last: clocks that a restart turns back, alerts that wait for none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from promql_parser import MatrixSelector, VectorSelector

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Escalation
from risk_rules.keys import spec_of
from risk_rules.lint.finding import Finding, Level, Reporter
from risk_rules.lint.rules import Rule
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import name_of, walk
from risk_rules.timing import half_evaluation_seconds

_REMEDY: Final = "use a latch: a recorded series whose value is when the breach began"
_SYSTEM: Final = {alert.name: alert for alert in SYSTEM_ALERTS}
#: Series that say since when, until when or how often.
_MEMORY: Final = frozenset(
    metric.name
    for metric in (
        m.BREACH_SINCE, m.HELD_UNTIL, m.UNACKED_SINCE, m.BREACH_EPISODES, m.TREND_RATE,
    )
)  # fmt: skip
_WAITED: Final = re.compile(rf"{m.BREACH_SINCE.name}\{{[^}}]*\}} <= time\(\) - ([\d.]+)")


def check(subject: Subject) -> Iterator[Finding]:
    """``for``, ``keep_firing_for``, ALERTS_FOR_STATE; alerts that wait for nothing."""
    report = subject.reporter("clocks")
    for rule in subject.rules:
        for name, value in rule.waits.items():
            lost = "puts it back to pending" if name == "for" else "ends what only this held"
            yield report.about(rule, f"waits with {name}: {value}, but a restart {lost}", _REMEDY)
        for node in walk(rule.expression):
            if isinstance(node, VectorSelector) and name_of(node) == "ALERTS_FOR_STATE":
                yield report.about(
                    rule, "reads ALERTS_FOR_STATE, which counts episodes that never were", _REMEDY
                )
    for rule in subject.alerts:
        yield from _confirmed(subject, report, rule)
        if not rule.waits and rule.alert not in _SYSTEM and not _remembers(rule):
            yield report.about(
                rule,
                "fires on a single sample and ends with the next: it waits for nothing, and a "
                "value at its threshold flaps",
                f"{_REMEDY}, and that ends at a clear level of its own",
                Level.WARNING,
            )


def _confirmed(subject: Subject, report: Reporter, rule: Rule) -> Iterator[Finding]:
    """An alert waits at least as long as the policy says."""
    if rule.labels.get(labels.ESCALATION, Escalation.NONE) != Escalation.NONE:
        return
    spec, alert = spec_of(rule.labels), _SYSTEM.get(rule.alert)
    key = f"alerting.confirmation.{spec.tier}_seconds" if spec else alert.duration if alert else ""
    wanted = subject.policy.number(key) if key else 0.0
    waited = [float(seconds) for seconds in _WAITED.findall(rule.text)]
    least = wanted - half_evaluation_seconds(subject.policy, rule.labels.get(labels.LIMIT, ""))
    if wanted and max(waited, default=0.0) < least - 1e-9:
        yield report.about(
            rule,
            f"fires after {max(waited, default=0.0):g} s of breach, but the policy wants it to "
            f"last {wanted:g} s",
            "run riskwarden generate; how long a breach has to last stands in the policy",
            key=key,
        )


def _remembers(rule: Rule) -> bool:
    """Whether more than the latest sample decides."""
    parts = list(walk(rule.expression))
    named = {name_of(node) for node in parts if isinstance(node, VectorSelector)}
    return bool(named & _MEMORY) or any(isinstance(node, MatrixSelector) for node in parts)
