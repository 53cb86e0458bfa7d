"""What the policy says about messages that would be too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from risk_policy import Policy
from risk_policy.vocabulary import Category, Severity

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """How much people are told.

    Attributes:
        window: within which the same is not told twice and beginnings are counted; also the
            least time between two digests.
        folds_repeats: whether an incident's repeats wait.
        storm_count: more beginnings than this within a window are a storm; None if none are.
        cooldowns: per category, None for what has none; how long a breach that comes back waits.
        limits: most messages a minute; a severity that is not there has none.
        storm_runbook: where people read what to do in a storm.
    """

    window: timedelta = MINUTE
    folds_repeats: bool = False
    storm_count: int | None = None
    cooldowns: Mapping[Category | None, timedelta] | None = None
    limits: Mapping[Severity, int] | None = None
    storm_runbook: str = ""

    @classmethod
    def from_policy(cls, policy: Policy, storm_runbook: str = "") -> Terms:
        """The policy's."""
        alerting = policy.alerting
        repeats, cooldown = alerting.deduplication, alerting.cooldown
        escalation = alerting.escalation
        often = escalation.frequency_based
        folds = repeats.enabled and repeats.window_seconds > 0
        storms = folds and escalation.enabled and often.enabled
        per_category: dict[Category | None, timedelta] = {
            category: timedelta(seconds=cooldown.of(category)) for category in (*Category, None)
        }
        limits = {one: alerting.rate_limits.of(one) for one in Severity}
        return cls(
            window=timedelta(seconds=repeats.window_seconds) if folds else MINUTE,
            folds_repeats=folds,
            storm_count=often.storm_alert_at_count if storms else None,
            cooldowns=per_category if cooldown.enabled else None,
            limits={one: limit for one, limit in limits.items() if limit is not None},
            storm_runbook=storm_runbook,
        )

    def cooldown(self, category: Category | None) -> timedelta:
        """How long a breach of a category waits when it comes back."""
        return (self.cooldowns or {}).get(category, timedelta())

    def limit(self, severity: Severity) -> int | None:
        """Most messages of a severity in a minute."""
        return (self.limits or {}).get(severity)

    @property
    def longest(self) -> timedelta:
        """The longest that anything can wait from when it was held back."""
        return max(self.window, MINUTE, *(self.cooldowns or {None: MINUTE}).values())
