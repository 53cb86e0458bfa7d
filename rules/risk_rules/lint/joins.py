"""Operators between series that match nothing, too much, or fail at the first duplicate."""

from __future__ import annotations

from collections.abc import Iterator

from promql_parser import BinaryExpr, VectorMatchCardinality

from risk_rules.lint.finding import Finding, Reporter
from risk_rules.lint.rules import Rule
from risk_rules.lint.shape import Shape, decided_by, matching_labels
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import SETS, is_scalar, walk


def check(subject: Subject) -> Iterator[Finding]:
    """Every operator that has series on both sides."""
    report = subject.reporter("joins")
    for rule in subject.rules:
        for node in walk(rule.expression):
            if not isinstance(node, BinaryExpr) or is_scalar(node.lhs) or is_scalar(node.rhs):
                continue
            left = subject.shapes.of_expression(node.lhs)
            right = subject.shapes.of_expression(node.rhs)
            if left is None or right is None:
                continue
            key = matching_labels(node.modifier, left, right)
            matched = node.modifier is not None and node.modifier.matching is not None
            if not matched and str(node.op) != "or" and left.labels != right.labels:
                yield _unmatched(report, rule, node, left, right)
            elif str(node.op) in SETS:
                yield from _set(report, rule, node, left, right, key)
            else:
                yield from _pairs(report, rule, node, left, right, key)


def _unmatched(
    report: Reporter, rule: Rule, node: BinaryExpr, left: Shape, right: Shape
) -> Finding:
    odd = ", ".join(sorted(left.labels ^ right.labels))
    return report.about(
        rule,
        f"{node.op} matches by all labels, but only one side has {odd}: nothing ever matches",
        "say by which labels with on (…), risk_id among them if both sides have it",
    )


def _set(
    report: Reporter, rule: Rule, node: BinaryExpr, left: Shape, right: Shape, key: frozenset[str]
) -> Iterator[Finding]:
    decided = decided_by(key)
    if "risk_id" in left.labels & right.labels and "risk_id" not in key:
        loose = ((left.varying | right.varying) - {"risk_id"}) - decided
        if loose:
            yield report.about(
                rule,
                f"{node.op} on ({_listed(key)}) lets one object match another: both sides have a "
                f"risk_id, and differ by {_listed(loose)}",
                "match on (risk_id)",
            )
            return
    # With `or` the right side stands for itself; elsewhere it decides about the left one.
    if str(node.op) != "or" and "tier" in right.varying and "tier" not in decided:
        yield report.about(
            rule,
            f"{node.op} on ({_listed(key)}) matches any tier: what holds for one counts for all",
            "match on (risk_id, tier), or pin the tier",
        )


def _pairs(
    report: Reporter, rule: Rule, node: BinaryExpr, left: Shape, right: Shape, key: frozenset[str]
) -> Iterator[Finding]:
    card = node.modifier.card if node.modifier else VectorMatchCardinality.OneToOne
    sides = [
        ("left", left, VectorMatchCardinality.ManyToOne),
        ("right", right, VectorMatchCardinality.OneToMany),
    ]
    for name, side, may_repeat in sides:
        loose = side.varying - decided_by(key)
        if loose and card != may_repeat:
            yield report.about(
                rule,
                f"{node.op} on ({_listed(key)}): several series of its {name} side can match one, "
                f"as they differ by {_listed(loose)}; the whole rule fails then",
                "aggregate that side first, or match by what tells its series apart",
            )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
