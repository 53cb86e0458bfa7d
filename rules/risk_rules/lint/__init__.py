"""Lint: what promtool cannot see, because it does not know what the rules are for.

Every check is a function from the rules at hand to findings, in a module of its own. Adding
one touches that module, the table below, and a test with a broken rule that it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
from risk_rules.lint.alerts import alerts_of
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.notifying import check_config
from risk_rules.lint.rules import Rule, Unreadable, read
from risk_rules.lint.silences import Silence, SilencesError, check_silences
from risk_rules.lint.silences import parse as parse_silences
from risk_rules.lint.subject import Subject
from risk_rules.lint.tools import AMLINT_ADDS, amlint_findings, findings_of

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
        others: rule files whose alerts Alertmanager is sent as well, but which are not looked at.
    """

    rules: Mapping[str, str]
    alertmanager: Mapping[str, str]
    silences: tuple[Silence, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)


def lint(policy: Policy, policy_text: str, material: Material) -> tuple[Finding, ...]:
    """Everything that is wrong; files in their order, worst first within each check."""
    found = [each for name, text in material.rules.items() for each in read(name, text)]
    lines = tuple(policy_text.splitlines())
    subject = _subject(found, policy, lines)
    findings = [_unreadable(each) for each in found if isinstance(each, Unreadable)]
    findings += [finding for check in CHECKS for finding in check(subject)]
    if material.alertmanager or material.silences:
        sent = [each for name, text in material.others.items() for each in read(name, text)]
        alerts = tuple(alerts_of(_subject([*found, *sent], policy, lines)))
        for name, text in material.alertmanager.items():
            findings += check_config(name, text, alerts, lines)
        findings += check_silences(material.silences, alerts)
    return tuple(dict.fromkeys(findings))


def _subject(
    found: list[Rule | Unreadable], policy: Policy, policy_lines: tuple[str, ...]
) -> Subject:
    return Subject(tuple(each for each in found if isinstance(each, Rule)), policy, policy_lines)


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
    "AMLINT_ADDS",
    "CHECKS",
    "Finding",
    "Level",
    "Material",
    "Silence",
    "SilencesError",
    "amlint_findings",
    "findings_of",
    "lint",
    "parse_silences",
]
