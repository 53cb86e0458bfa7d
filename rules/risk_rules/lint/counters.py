"""Counters read as if they were gauges, and gauges as if they were counters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promql_parser import VectorSelector

from risk_rules.lint import known
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import calls_around, name_of

#: Take a fall for a restart, so they are for counters only.
_FOR_COUNTERS: Final = ("rate", "increase", "irate")
#: Take a restart for a fall, so they are for gauges only.
_FOR_GAUGES: Final = ("delta", "idelta", "deriv", "predict_linear")
#: Ask about a counter's series, not about its value.
_OF_SERIES: Final = (
    "absent", "absent_over_time", "count", "group", "present_over_time", "timestamp", "resets",
    "changes", "count_over_time",
)  # fmt: skip


def check(subject: Subject) -> Iterator[Finding]:
    """Every metric, with the functions it stands in."""
    report = subject.reporter("counters")
    for rule in subject.rules:
        for node, around in calls_around(rule.expression):
            if not isinstance(node, VectorSelector):
                continue
            name = name_of(node)
            counter = known.is_counter(name)
            if counter is None:
                continue
            if not counter and (wrong := [each for each in around if each in _FOR_COUNTERS]):
                yield report.about(
                    rule,
                    f"{wrong[-1]} of {name}, which is a gauge: every fall counts as a restart",
                    f"use delta or deriv, or let its owner export a counter of {name}",
                )
            if counter and (wrong := [each for each in around if each in _FOR_GAUGES]):
                yield report.about(
                    rule,
                    f"{wrong[-1]} of {name}, which is a counter: every restart counts as a fall",
                    "use increase or rate",
                )
            if counter and not {*_FOR_COUNTERS, *_FOR_GAUGES, *_OF_SERIES}.intersection(around):
                yield report.about(
                    rule,
                    f"judges counter {name} by its value, which only says how long it has run",
                    f"use increase({name}[…]) or rate({name}[…])",
                    Level.WARNING,
                )
