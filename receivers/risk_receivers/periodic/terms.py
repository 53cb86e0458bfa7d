"""What a report needs to know of the policy."""

from __future__ import annotations

from dataclasses import dataclass

from risk_policy import Policy
from risk_policy.model.reports import Objectives


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy's digest, how often Prometheus looks, and what is promised."""

    policy_digest: str
    scrape_seconds: float
    objectives: Objectives

    @classmethod
    def of(cls, policy: Policy) -> Terms:
        """The policy's."""
        timing = policy.alerting.prometheus
        objectives = policy.alerting.reports.objectives
        return cls(policy.digest, timing.scrape_interval_seconds, objectives)
