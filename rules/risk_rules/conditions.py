"""Alerts with a condition of their own, as rules: a condition is there or it is not.

What has to last, or escalates while nobody answers, gets a latch as limits do; the rest fires
and ends with its condition.
"""

from __future__ import annotations

from dataclasses import dataclass

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.vocabulary import Escalation, Severity, Tier
from risk_rules import promql, wording
from risk_rules.latches import Latch, value_of
from risk_rules.rule import AlertRule, RecordingRule


@dataclass(frozen=True, slots=True)
class Condition:
    """An alert and the PromQL that is there while it is due.

    Attributes:
        expression: series with the alert's identity labels and no others that matter.
        about: the rest of its risk_id, if the alert has no identity labels.
    """

    alert: SystemAlert
    expression: str
    about: str = ""

    @property
    def risk_id(self) -> str:
        """The risk_id, if it is always the same."""
        parts = (self.about,) if self.about else ()
        return "" if self.alert.identity else labels.risk_id(self.alert.limit, *parts)

    def rules(self, policy: Policy) -> tuple[RecordingRule | AlertRule, ...]:
        """The alert, and the latch if it has one."""
        if not self.alert.latched:
            return (self._alert(policy, self._identified),)
        latch = latch_of(self.alert)
        value = value_of(self.alert.limit)
        fixed = {labels.RISK_ID: self.risk_id} if self.risk_id else {}
        wait = policy.number(self.alert.duration) if self.alert.duration else 0
        return (
            RecordingRule(
                m.LIMIT_VALUE.name, self._identified, {labels.LIMIT: self.alert.limit, **fixed}
            ),
            latch.rule(value, value),
            self._alert(policy, f"{value} and on (risk_id) {latch.confirmed(policy, wait)}"),
        )

    @property
    def _identified(self) -> str:
        identity = self.alert.identity
        if not identity:
            return self.expression
        named = promql.with_constant_label(self.expression, labels.LIMIT, self.alert.limit)
        return promql.with_joined_label(named, labels.RISK_ID, "/", (labels.LIMIT, *identity))

    def _alert(self, policy: Policy, expression: str) -> AlertRule:
        return AlertRule(
            name=self.alert.name,
            expression=expression,
            labels=static_labels(policy, self.alert, self.risk_id),
            annotations=wording.system_annotations(policy, self.alert),
        )


def latch_of(alert: SystemAlert) -> Latch:
    """The latch of a system alert."""
    return Latch(alert.limit, alert.severity.value)


def static_labels(
    policy: Policy,
    alert: SystemAlert,
    risk_id: str = "",
    severity: Severity | None = None,
    escalation: Escalation = Escalation.NONE,
) -> dict[str, str]:
    """Labels of a system alert. Its tier is its severity; what is milder has none."""
    own = alert.severity.value
    tier = {labels.TIER: own} if own in set(Tier) else {}
    return {
        labels.LIMIT: alert.limit,
        **({labels.RISK_ID: risk_id} if risk_id else {}),
        **tier,
        labels.SEVERITY: (severity or alert.severity).value,
        labels.ESCALATION: escalation.value,
        labels.CATEGORY: alert.category.value,
        labels.LAYER: alert.layer.value,
        labels.ACTION: alert.action_under(policy).value,
    }
