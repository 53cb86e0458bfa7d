"""Label sets that inhibition, routing and acknowledgements cannot work with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Escalation, Severity, Tier
from risk_rules.keys import limit_of
from risk_rules.lint.finding import Finding, Level, Reporter
from risk_rules.lint.known import TARGET_LABELS
from risk_rules.lint.rules import Rule
from risk_rules.lint.subject import Subject

_SYSTEM = {alert.name: alert for alert in SYSTEM_ALERTS}
_WORDS = {
    labels.SEVERITY: tuple(Severity),
    labels.TIER: tuple(Tier),
    labels.ESCALATION: tuple(Escalation),
}


def check(subject: Subject) -> Iterator[Finding]:
    """Every alert by itself, then all of them together."""
    report = subject.reporter("identity")
    for rule in subject.alerts:
        yield from _alone(subject, report, rule)
    yield from _together(report, subject.alerts)


def _alone(subject: Subject, report: Reporter, rule: Rule) -> Iterator[Finding]:
    if labels.SEVERITY not in rule.labels:
        yield report.about(
            rule,
            "has no severity: no route takes it, and it is told at the default pace",
            f"add the label severity: one of {', '.join(Severity)}",
        )
    for name, words in _WORDS.items():
        if name in rule.labels and rule.labels[name] not in words:
            yield report.about(
                rule,
                f"{name} {rule.labels[name]!r} is a word nobody knows",
                f"use one of {', '.join(words)}",
            )
    shape = subject.shapes.of_expression(rule.expression)
    carried = rule.labels.keys() | (shape.labels if shape else frozenset())
    if labels.TIER in carried and labels.RISK_ID not in carried and shape is not None:
        yield report.about(
            rule,
            "has a tier but no risk_id: nothing inhibits it, and nobody can acknowledge it",
            "keep risk_id in the expression (by, on), or add it as a label",
        )
    if shape is not None and labels.RISK_ID in carried:
        yield from _subject(report, rule, carried)


def _subject(report: Reporter, rule: Rule, carried: AbstractSet[str]) -> Iterator[Finding]:
    """What it is about has to be said, and nothing else may tell its alerts apart."""
    limit, alert = limit_of(rule.labels), _SYSTEM.get(rule.alert)
    wanted = limit.identity if limit else alert.identity if alert else ()
    if missing := [name for name in wanted if name not in carried]:
        yield report.about(
            rule,
            f"does not say what it is about: {', '.join(missing)} is lost in its expression",
            f"keep {', '.join(wanted)} in every by (…) on the way",
        )
    if odd := sorted((TARGET_LABELS & carried) - set(wanted)):
        yield report.about(
            rule,
            f"carries {', '.join(odd)}: two exporters, or one that moved, make two alerts of one "
            "risk_id",
            "aggregate the metric by risk_id and identity first",
        )


def _together(report: Reporter, alerts: tuple[Rule, ...]) -> Iterator[Finding]:
    same: dict[frozenset[tuple[str, str]], list[Rule]] = defaultdict(list)
    for rule in alerts:
        same[frozenset(rule.labels.items())].append(rule)
    for rules in same.values():
        first, *others = rules
        if not first.labels.get(labels.LIMIT) and not first.labels.get(labels.RISK_ID):
            others = [rule for rule in others if rule.alert == first.alert]
        for rule in others:
            named = rule.alert == first.alert
            where = f"{first.file}:{first.line}"
            yield report.about(
                rule,
                f"has the same labels as {first.alert} at {where}: "
                + (
                    "Alertmanager takes them for one alert, and the one that ends ends both"
                    if named
                    else "one acknowledgement covers both, whichever was meant"
                ),
                "make it one rule, joined with or, or give it a tier or limit of its own",
                Level.ERROR if named else Level.WARNING,
            )
