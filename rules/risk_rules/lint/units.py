"""Numbers compared with what has another unit: percent with ratios, milliseconds with seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.known import Quantity
from risk_rules.lint.shape import origin
from risk_rules.lint.subject import Subject
from risk_rules.lint.tree import comparisons

#: A ratio of more than a thousand percent is most likely a percentage.
_LARGEST_RATIO: Final = 10.0
#: Less than a millisecond, and not nothing.
_SMALLEST_SECONDS: Final = 0.001
#: A date before September 2001 is most likely a duration.
_FIRST_TIMESTAMP: Final = 1e9


def check(subject: Subject) -> Iterator[Finding]:
    """Every comparison with a number."""
    report = subject.reporter("units")
    for rule in subject.rules:
        for compared, operator, number in comparisons(rule.expression):
            source = origin(compared)
            if source is None:
                continue
            what = f"{source.measured} is {source.quantity.value}"
            match source.quantity:
                case Quantity.RATIO if abs(number) > _LARGEST_RATIO:
                    yield report.about(
                        rule,
                        f"compares {operator} {number:g}, but {what}",
                        f"write {number / 100:g} for {number:g} %",
                        Level.WARNING,
                    )
                case Quantity.SECONDS if 0 < abs(number) < _SMALLEST_SECONDS:
                    yield report.about(
                        rule,
                        f"compares {operator} {number:g}, but {what}",
                        f"write the time in seconds; {number:g} s is less than a millisecond",
                        Level.WARNING,
                    )
                case Quantity.TIMESTAMP if 0 < abs(number) < _FIRST_TIMESTAMP:
                    yield report.about(
                        rule,
                        f"compares {operator} {number:g}, but {what}, not how long ago that was",
                        f"compare time() - {source.metric} with {number:g}",
                    )
                case _:
                    pass
