"""Clocks that a restart of Prometheus turns back."""

from __future__ import annotations

from collections.abc import Iterator

from promql_parser import VectorSelector

from risk_rules.lint.finding import Finding
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import name_of, walk

_REMEDY = "use a latch: a recorded series whose value is when the breach began"


def check(subject: Subject) -> Iterator[Finding]:
    """``for``, ``keep_firing_for`` and ALERTS_FOR_STATE."""
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
