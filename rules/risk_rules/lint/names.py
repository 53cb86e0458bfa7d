"""Metrics, labels and recorded series that nobody provides: such a rule never fires."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from promql_parser import AggModifierType, AggregateExpr, BinaryExpr, Call, Expr, StringLiteral
from promql_parser import VectorSelector as Selector

from risk_policy.contracts.alert import LIMIT
from risk_rules.keys import limit_of
from risk_rules.lint import known
from risk_rules.lint.finding import Finding, Level, Reporter
from risk_rules.lint.known import TARGET_LABELS
from risk_rules.lint.rules import Rule
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import equal_matchers, is_scalar, matched_labels, name_of, walk

#: Prometheus keeps these itself; what labels they have depends on the alerts.
_OF_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")


def check(subject: Subject) -> Iterator[Finding]:
    """Every name in every expression."""
    report = subject.reporter("names")
    for rule in subject.rules:
        for node in walk(rule.expression):
            match node:
                case Selector():
                    yield from _selector(subject, report, rule, node)
                case AggregateExpr():
                    yield from _grouping(subject, report, rule, node)
                case BinaryExpr():
                    yield from _matching(subject, report, rule, node)
                case Call():
                    yield from _sources(subject, report, rule, node)
                case _:
                    pass


def _selector(
    subject: Subject, report: Reporter, rule: Rule, selector: Selector
) -> Iterator[Finding]:
    name = name_of(selector)
    if name in _OF_ALERTS:
        return
    if not name:
        yield report.about(
            rule,
            "selects series without naming a metric",
            "name the metric; a pattern can match series that come later",
            Level.WARNING,
        )
        return
    recorded = subject.shapes.records(name)
    if not recorded and name not in known.names():
        every = [*known.names(), *(other.record for other in subject.rules if other.record)]
        yield report.about(
            rule,
            f"metric {name} is exported and recorded by nobody" + _close(name, every),
            "use a metric of the catalogue, or add it there and to its exporter",
        )
        return
    if recorded and not subject.shapes.recorded_as(selector):
        pinned = ", ".join(f"{key}={value!r}" for key, value in equal_matchers(selector).items())
        yield report.about(
            rule,
            f"no rule among these files records {name} with {pinned}",
            "use the labels that one of its rules gives it, or lint all rule files together",
        )
        return
    own, other = limit_of(rule.labels), equal_matchers(selector).get(LIMIT, "")
    if own and other and other != own.name:
        yield report.about(
            rule,
            f"belongs to limit {own.name}, but reads {name} of limit {other}",
            f"read {LIMIT}={own.name!r}; one limit's breach is no other's",
        )
    labels = _known_labels(subject, name)
    for label in dict.fromkeys(matched_labels(selector)):
        if labels is not None and label not in labels and label != "__name__":
            yield report.about(
                rule,
                f"{name} has no label {label}" + _close(label, labels),
                f"match one of its labels: {_listed(labels)}",
            )


def _grouping(
    subject: Subject, report: Reporter, rule: Rule, node: AggregateExpr
) -> Iterator[Finding]:
    inner = subject.shapes.of_expression(node.expr)
    if node.modifier is None or inner is None:
        return
    word = "by" if node.modifier.type == AggModifierType.By else "without"
    for label in node.modifier.labels:
        allowed = inner.labels if word == "by" else inner.labels | TARGET_LABELS
        if label not in allowed:
            yield report.about(
                rule,
                f"{node.op} {word} ({label}): what is aggregated has no label {label}"
                + _close(label, inner.labels),
                f"group by one of its labels: {_listed(inner.labels)}",
            )


def _matching(
    subject: Subject, report: Reporter, rule: Rule, node: BinaryExpr
) -> Iterator[Finding]:
    if node.modifier is None or is_scalar(node.lhs) or is_scalar(node.rhs):
        return
    left = subject.shapes.of_expression(node.lhs)
    right = subject.shapes.of_expression(node.rhs)
    if left is None or right is None:
        return
    wanted: list[tuple[str, frozenset[str]]] = []
    if node.modifier.matching:
        on = "Include" in str(node.modifier.matching.type)
        side = left.labels & right.labels if on else left.labels | right.labels
        wanted += [(label, side) for label in node.modifier.matching.labels]
    wanted += [(label, left.labels | right.labels) for label in node.modifier.group_labels or ()]
    for label, labels in wanted:
        if label not in labels:
            yield report.about(
                rule,
                f"{node.op} matches by label {label}, which is missing on one side"
                + _close(label, labels),
                f"match by labels that both sides have: {_listed(labels)}",
            )


def _sources(subject: Subject, report: Reporter, rule: Rule, node: Call) -> Iterator[Finding]:
    if node.func.name not in ("label_replace", "label_join"):
        return
    inner = subject.shapes.of_expression(node.args[0])
    texts = [arg.val for arg in node.args[1:] if isinstance(arg, StringLiteral)]
    if inner is None:
        return
    to, sources = texts[0], texts[2:3] if node.func.name == "label_replace" else texts[2:]
    for label in sources:
        # Reading the label that is written gives it a default where it is missing.
        if label and label != to and label not in inner.labels:
            yield report.about(
                rule,
                f"{node.func.name} reads label {label}, which its series do not have"
                + _close(label, inner.labels),
                f"read one of their labels: {_listed(inner.labels)}",
            )


def _known_labels(subject: Subject, name: str) -> frozenset[str] | None:
    exported = known.exported_labels(name)
    if not subject.shapes.records(name):
        return exported
    shape = subject.shapes.of_expression(_named(name))
    return None if shape is None else shape.labels | (exported or frozenset())


def _named(name: str) -> Expr:
    parsed: Expr = Expr.parse(name)
    return parsed


def _close(name: str, known_names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known_names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(sorted(labels)) or "it has none"
