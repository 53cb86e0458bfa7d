"""Thresholds in the wrong order, out of reach, or cleared on the wrong side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from promql_parser import BinaryExpr, Call, Expr

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.vocabulary import Escalation, Severity
from risk_rules.keys import CLEAR_KEY, limit_of, spec_of
from risk_rules.lint.finding import Finding, Reporter
from risk_rules.lint.rules import Rule
from risk_rules.lint.shape import origin
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import bare, comparisons, constant

_ORDERS: Final = (">", ">=", "<", "<=")


@dataclass(frozen=True, slots=True)
class _Latched:
    """Where one tier of a limit begins and ends, as its rule says."""

    rule: Rule
    limit: Limit
    spec: AlertSpec
    begins: float
    ends: float


def check(subject: Subject) -> Iterator[Finding]:
    """Every comparison, every latch, every ladder of thresholds."""
    report = subject.reporter("thresholds")
    for rule in subject.rules:
        yield from _reach(report, rule)
        yield from _side(report, rule)
    latched = [found for rule in subject.rules if (found := _latch(rule))]
    for latch in latched:
        yield from _agrees(subject, report, latch)
        yield from _clears(report, latch)
    yield from _ladder(
        report, [(each.rule, each.limit, each.spec, each.begins) for each in latched]
    )
    yield from _ladder(report, list(_recorded(subject.rules)))
    yield from _time_steps(report, subject.alerts)


def _reach(report: Reporter, rule: Rule) -> Iterator[Finding]:
    for compared, operator, number in comparisons(rule.expression):
        source = origin(compared)
        if source is None:
            continue
        least, most = source.range.least, source.range.most
        never = {
            ">": number >= most, ">=": number > most, "<": number <= least, "<=": number < least,
        }.get(operator, False)  # fmt: skip
        always = {
            ">": number < least, ">=": number <= least, "<": number > most, "<=": number >= most,
        }.get(operator, False)  # fmt: skip
        if never or always:
            yield report.about(
                rule,
                f"{source.measured} lies between {least:g} and {most:g}, so {operator} {number:g} "
                f"is {'never' if never else 'always'} true",
                f"choose a threshold between {least:g} and {most:g}",
            )


def _side(report: Reporter, rule: Rule) -> Iterator[Finding]:
    """A latch may only ask for the side on which the danger lies."""
    limit = limit_of(rule.labels)
    if rule.record != m.BREACH_SINCE.name or limit is None:
        return
    for compared, operator, number in comparisons(rule.expression):
        source = origin(compared)
        judged = source is not None and source.measured == limit.metric.name
        if judged and operator in _ORDERS and not operator.startswith(limit.side.value):
            yield report.about(
                rule,
                f"asks for {operator} {number:g}, but {limit.title.lower()} is dangerous on the "
                f"other side ({limit.side.value})",
                f"compare with {limit.operator}",
            )


def _agrees(subject: Subject, report: Reporter, latch: _Latched) -> Iterator[Finding]:
    said = latch.limit.bound(subject.policy.number(latch.spec.threshold))
    if abs(said - latch.begins) > 1e-9:
        yield report.about(
            latch.rule,
            f"begins at {latch.begins:g}, but the policy says {said:g}",
            "run riskwarden generate; a threshold stands in the policy and nowhere else",
        )


def _clears(report: Reporter, latch: _Latched) -> Iterator[Finding]:
    beyond = (latch.ends - latch.begins) * latch.limit.side.sign
    if beyond > 1e-12:
        yield report.about(
            latch.rule,
            f"begins at {latch.begins:g} and ends at {latch.ends:g}, which is further out: a "
            "breach ends while the threshold is still crossed, and flaps",
            "end it at the threshold or on its safe side",
            key=CLEAR_KEY,
        )


def _ladder(
    report: Reporter, found: list[tuple[Rule, Limit, AlertSpec, float]]
) -> Iterator[Finding]:
    ordered = sorted(found, key=lambda each: (each[1].name, each[2].tier.rank))
    for (_, limit, spec, mild), (rule, other, worse, severe) in pairwise(ordered):
        if limit is not other or spec is worse or (severe - mild) * limit.side.sign > 0:
            continue
        yield report.about(
            rule,
            f"tier {worse.tier} of {limit.title.lower()} stands at {severe:g}, but the milder "
            f"tier {spec.tier} at {mild:g}: the milder one never comes first",
            f"move {worse.threshold} beyond {spec.threshold}",
        )


def _time_steps(report: Reporter, alerts: tuple[Rule, ...]) -> Iterator[Finding]:
    """A higher severity must take longer without an answer than a lower one."""
    steps = [
        (rule, Severity(severity).rank, after)
        for rule in alerts
        if rule.labels.get("escalation") == Escalation.TIME
        and (severity := rule.labels.get("severity", "")) in set(Severity)
        and (after := _waited(rule.expression)) is not None
    ]
    for rule, rank, after in steps:
        for other, lower, sooner in steps:
            same = other.alert == rule.alert and other.labels.get("tier") == rule.labels.get("tier")
            if same and lower < rank and sooner >= after:
                yield report.about(
                    rule,
                    f"counts as {rule.labels['severity']} after {after:g} s, no later than it "
                    f"counts as {other.labels['severity']}",
                    "let a higher severity wait longer than a lower one",
                )


def _waited(expression: Expr) -> float | None:
    for compared, operator, number in comparisons(expression):
        source = origin(compared)
        if source and source.age and source.metric == m.UNACKED_SINCE.name and operator in ">=":
            return number
    return None


def _latch(rule: Rule) -> _Latched | None:
    limit, spec = limit_of(rule.labels), spec_of(rule.labels)
    whole = bare(rule.expression)
    if rule.record != m.BREACH_SINCE.name or limit is None or spec is None:
        return None
    if not isinstance(whole, BinaryExpr) or str(whole.op) != "or":
        return None
    begins, ends = _level(whole.rhs, limit), _level(whole.lhs, limit)
    return None if begins is None or ends is None else _Latched(rule, limit, spec, begins, ends)


def _level(node: Expr, limit: Limit) -> float | None:
    for compared, operator, number in comparisons(node):
        source = origin(compared)
        if (
            source
            and source.measured == limit.metric.name
            and operator.startswith(limit.side.value)
        ):
            return number
    return None


def _recorded(rules: tuple[Rule, ...]) -> Iterator[tuple[Rule, Limit, AlertSpec, float]]:
    for rule in rules:
        limit, spec = limit_of(rule.labels), spec_of(rule.labels)
        call = bare(rule.expression)
        if rule.record != m.THRESHOLD.name or limit is None or spec is None:
            continue
        if isinstance(call, Call) and call.func.name == "vector":
            value = constant(call.args[0])
            if value is not None:
                yield rule, limit, spec, value
