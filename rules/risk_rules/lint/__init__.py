"""Lint: what promtool cannot see, because it does not know what the rules are for.

Every check is a function from the rules at hand to findings, in a module of its own. Adding
one touches that module, the table below, and a test with a broken rule that it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.model import Policy
from risk_rules.lint import (
    clocks,
    counters,
    identity,
    joins,
    names,
    ranges,
    texts,
    thresholds,
    units,
)
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.inhibition import check_config
from risk_rules.lint.rules import Rule, Unreadable, read
from risk_rules.lint.silences import Silence, SilencesError, check_silences
from risk_rules.lint.silences import parse as parse_silences
from risk_rules.lint.subject import Subject
from risk_rules.lint.tools import findings_of

#: In the order in which findings are shown.
CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    names.check,
    joins.check,
    counters.check,
    ranges.check,
    units.check,
    thresholds.check,
    clocks.check,
    identity.check,
    texts.check,
)


@dataclass(frozen=True, slots=True)
class Material:
    """What is looked at.

    Attributes:
        rules: name of a rule file -> its text.
        alertmanager: name of an Alertmanager configuration -> its text.
    """

    rules: Mapping[str, str]
    alertmanager: Mapping[str, str]
    silences: tuple[Silence, ...] = ()


def lint(policy: Policy, policy_text: str, material: Material) -> tuple[Finding, ...]:
    """Everything that is wrong; files in their order, worst first within each check."""
    found = [each for name, text in material.rules.items() for each in read(name, text)]
    rules = tuple(each for each in found if isinstance(each, Rule))
    subject = Subject(rules, policy, tuple(policy_text.splitlines()))
    findings = [_unreadable(each) for each in found if isinstance(each, Unreadable)]
    findings += [finding for check in CHECKS for finding in check(subject)]
    for name, text in material.alertmanager.items():
        findings += check_config(name, text)
    findings += check_silences(material.silences, _with_labels(subject))
    return tuple(dict.fromkeys(findings))


def _with_labels(subject: Subject) -> Iterable[tuple[Rule, frozenset[str]]]:
    for rule in subject.alerts:
        shape = subject.shapes.of_expression(rule.expression)
        yield rule, frozenset(rule.labels) | (shape.labels if shape else frozenset())


def _unreadable(each: Unreadable) -> Finding:
    return Finding(
        check="syntax",
        level=Level.ERROR,
        message=each.reason,
        remedy="mend it; Prometheus refuses the whole file",
        rule=each.name,
        file=each.file,
        line=each.line,
    )


__all__ = [
    "CHECKS",
    "Finding",
    "Level",
    "Material",
    "Silence",
    "SilencesError",
    "findings_of",
    "lint",
    "parse_silences",
]
