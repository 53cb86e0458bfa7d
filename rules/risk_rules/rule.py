"""Rules as values, and the shape in which Prometheus reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from risk_policy.contracts.artefact import duration


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert.

    Attributes:
        for_seconds: how long the expression has to hold before the alert fires.
    """

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_seconds: float = 0

    def document(self) -> dict[str, Any]:
        """As it stands in a rule file."""
        wait = {"for": duration(self.for_seconds)} if self.for_seconds else {}
        return {
            "alert": self.name,
            "expr": self.expression,
            **wait,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }


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
