"""What every check is given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from risk_policy.catalogue.metrics.foreign import FOREIGN, SCRAPE_DURATION, UP
from risk_policy.contracts.jobs import own_scrape_seconds
from risk_policy.model import Policy
from risk_rules.lint.finding import Reporter
from risk_rules.lint.rules import Rule
from risk_rules.lint.shape import Shapes


@dataclass(frozen=True)
class Subject:
    """The rules at hand, the policy they should follow from, and that policy's text."""

    rules: tuple[Rule, ...]
    policy: Policy
    policy_lines: tuple[str, ...]

    @cached_property
    def shapes(self) -> Shapes:
        """Labels of what the rules compute."""
        return Shapes.of(self.rules)

    @cached_property
    def alerts(self) -> tuple[Rule, ...]:
        """The alerts among the rules."""
        return tuple(rule for rule in self.rules if rule.alert)

    def reporter(self, check: str) -> Reporter:
        """Makes the findings of a check."""
        return Reporter(check, self.policy_lines)

    def interval_of(self, metric: str) -> frozenset[float]:
        """How far apart the samples of a metric are: its scrape's or its groups' intervals."""
        recorded = {rule.interval for rule in self.rules if rule.record == metric}
        if recorded:
            return frozenset(recorded - {0.0})
        if metric in FOREIGN and metric not in (UP.name, SCRAPE_DURATION.name):
            return frozenset({own_scrape_seconds(self.policy)})
        return frozenset({self.policy.alerting.prometheus.scrape_interval_seconds})
