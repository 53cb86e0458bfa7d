"""Rules as values, and the shape in which Prometheus reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from risk_policy.contracts.artefact import duration
from risk_rules.labelled import in_expression


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert.

    Attributes:
        for_seconds: how long the expression has to hold before the alert fires.
        many: whether there can be thousands of it at once; its expression sets its labels then.
    """

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_seconds: float = 0
    many: bool = False

    def document(self) -> dict[str, Any]:
        """As it stands in a rule file."""
        wait = {"for": duration(self.for_seconds)} if self.for_seconds else {}
        rule = {
            "alert": self.name,
            "expr": self.expression,
            **wait,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }
        return in_expression(rule) if self.many else rule


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """One recorded series."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it stands in a rule file."""
        return {"record": self.name, "expr": self.expression, "labels": dict(self.labels)}


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other; groups run side by side."""

    name: str
    interval_seconds: float
    rules: tuple[AlertRule | RecordingRule, ...]

    def document(self) -> dict[str, Any]:
        """As it stands in a rule file."""
        return {
            "name": self.name,
            "interval": duration(self.interval_seconds),
            "rules": [rule.document() for rule in self.rules],
        }
