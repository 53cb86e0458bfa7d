"""Counts over ranges that are an exact multiple of the interval between samples.

Prometheus 2 counts the sample on the far edge of such a range, Prometheus 3 does not. The one
pattern that is right under both is let through: changes of a latch, plus whether the oldest
one began within the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from promql_parser import BinaryExpr, Call, Expr, MatrixSelector, SubqueryExpr

from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import bare, constant, name_of, walk

#: One sample more or less is another count.
_COUNTING: Final = ("changes", "resets", "count_over_time", "sum_over_time")
#: One sample more or less shifts what is extrapolated.
_EXTRAPOLATING: Final = ("increase", "rate", "delta")


def check(subject: Subject) -> Iterator[Finding]:
    """Every count over a range."""
    report = subject.reporter("ranges")
    for rule in subject.rules:
        # The parser hands out a new object at every look, so parts are compared by their text.
        proven = {call.prettify() for node in walk(rule.expression) for call in _episodes(node)}
        for node in walk(rule.expression):
            if not isinstance(node, Call) or node.func.name not in (*_COUNTING, *_EXTRAPOLATING):
                continue
            if node.prettify() in proven:
                continue
            over = bare(node.args[0])
            for interval in _intervals(subject, over):
                seconds = _seconds(over)
                if _is_multiple(seconds, interval):
                    yield report.about(
                        rule,
                        f"{node.func.name} over {seconds:g} s, an exact multiple of the "
                        f"{interval:g} s between samples: Prometheus 3 leaves out a sample that "
                        "Prometheus 2 counts",
                        f"use a range of {seconds + interval / 2:g} s",
                        Level.ERROR if node.func.name in _COUNTING else Level.WARNING,
                    )
                    break


def _episodes(node: Expr) -> Iterator[Call]:
    """The changes in ``changes(x[w]) + (min_over_time(x[w]) > bool (time() - w))``."""
    if not isinstance(node, BinaryExpr) or str(node.op) != "+":
        return
    counted, began = bare(node.lhs), bare(node.rhs)
    if not isinstance(counted, Call) or counted.func.name != "changes":
        return
    if not isinstance(began, BinaryExpr) or str(began.op) != ">":
        return
    if began.modifier is None or not began.modifier.return_bool:
        return
    oldest, start = bare(began.lhs), bare(began.rhs)
    if not isinstance(oldest, Call) or oldest.func.name != "min_over_time":
        return
    if not isinstance(start, BinaryExpr) or str(start.op) != "-":
        return
    now, window, over = bare(start.lhs), constant(start.rhs), bare(counted.args[0])
    is_now = isinstance(now, Call) and now.func.name == "time"
    alike = over.prettify() == bare(oldest.args[0]).prettify()
    if is_now and alike and isinstance(over, MatrixSelector) and window == _seconds(over):
        yield counted


def _seconds(over: Expr) -> float:
    if isinstance(over, MatrixSelector | SubqueryExpr) and over.range is not None:
        return over.range.total_seconds()
    return 0.0


def _intervals(subject: Subject, over: Expr) -> frozenset[float]:
    if isinstance(over, MatrixSelector):
        return subject.interval_of(name_of(over.vector_selector))
    if isinstance(over, SubqueryExpr) and over.step is not None:
        return frozenset({over.step.total_seconds()})
    return frozenset()


def _is_multiple(seconds: float, interval: float) -> bool:
    if not seconds or not interval:
        return False
    times = seconds / interval
    return round(times) >= 1 and math.isclose(times, round(times), rel_tol=1e-9)
