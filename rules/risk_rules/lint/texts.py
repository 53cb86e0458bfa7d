"""What people need from an alert, and what must never stand in its labels."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.catalogue import runbooks
from risk_policy.contracts.alert import POLICY_DIGEST
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Annotations and labels of every alert."""
    report = subject.reporter("texts")
    base = subject.policy.alerting.runbooks.base_url
    for rule in subject.alerts:
        if not rule.annotations.get("summary", "").strip():
            yield report.about(
                rule, "has no summary", "add the annotation summary: one line that says what it is"
            )
        if not rule.annotations.get("description", "").strip():
            yield report.about(
                rule,
                "has no description",
                "add the annotation description: value, threshold, and when it clears",
                Level.WARNING,
            )
        runbook = rule.annotations.get("runbook_url", "")
        if not runbook:
            yield report.about(
                rule,
                "has no runbook",
                f"add the annotation runbook_url: {base}{rule.alert}",
                key="alerting.runbooks.base_url",
            )
        elif runbook.startswith(base) and runbook.removeprefix(base) not in runbooks.names():
            yield report.about(
                rule,
                f"its runbook {runbook} does not exist",
                "name an alert of the catalogue, or add this one to it",
                Level.WARNING,
                key="alerting.runbooks.base_url",
            )
    for rule in subject.rules:
        for name, value in rule.labels.items():
            if "$value" in value or ".Value" in value:
                yield report.about(
                    rule,
                    f"label {name} holds the value: every new value is a new alert",
                    f"move it into an annotation; {name} must stay the same while it fires",
                )
            elif "{{" in value:
                yield report.about(
                    rule,
                    f"label {name} is a template: it is not restored after a restart of "
                    "Prometheus before 3.11",
                    "build the label in the expression, with label_join or label_replace",
                )
        if rule.alert and POLICY_DIGEST in rule.labels:
            yield report.about(
                rule,
                "carries the policy digest as a label: every edit of the policy fires it anew",
                f"move {POLICY_DIGEST} into an annotation",
            )
