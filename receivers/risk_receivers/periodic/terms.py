"""What a report needs to know of the policy."""

from __future__ import annotations

from dataclasses import dataclass

from risk_policy import Policy
from risk_policy.model.names import CHANNELS, UNSEEN
from risk_policy.model.reports import Objectives
from risk_policy.vocabulary import Severity


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy's digest, how often Prometheus looks, what is promised.

    Attributes:
        reaches_people: the least severity that a channel with people lets through; None if there
            is no such channel.
    """

    policy_digest: str
    scrape_seconds: float
    objectives: Objectives
    reaches_people: Severity | None

    @property
    def longest_promise_seconds(self) -> float:
        """The most time that anything may take, by the objectives."""
        promised = self.objectives
        return max(
            promised.breach_to_human_seconds,
            promised.breach_to_gate_seconds,
            promised.acknowledge_minutes * 60,
        )

    @classmethod
    def of(cls, policy: Policy) -> Terms:
        """The policy's."""
        timing = policy.alerting.prometheus
        objectives = policy.alerting.reports.objectives
        channels = (
            getattr(policy.alerting.channels, name) for name in CHANNELS if name not in UNSEEN
        )
        least = [one.min_severity for one in channels if one.enabled]
        reaches = min(least, key=lambda severity: severity.rank, default=None)
        return cls(policy.digest, timing.scrape_interval_seconds, objectives, reaches)
