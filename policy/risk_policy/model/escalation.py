"""Retention of alerts, deduplication, escalation and cooldown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from risk_policy.model.base import Count, Days, Minutes, Seconds, Section


class Retention(Section):
    """``[alerting.retention]``: how long incidents stay listed."""

    days: Days = 90
    max_events: Count = 100_000


class Deduplication(Section):
    """``[alerting.deduplication]``."""

    enabled: bool = True
    window_seconds: Seconds = 60


class TimeBased(Section):
    """``[alerting.escalation.time_based]``: minutes without an acknowledgement."""

    enabled: bool = True
    warning_to_critical_minutes: Minutes = 5
    critical_to_emergency_minutes: Minutes = 15
    emergency_kill_switch_minutes: Minutes = 30


class FrequencyBased(Section):
    """``[alerting.escalation.frequency_based]``: occurrences within the window."""

    enabled: bool = True
    window_minutes: Minutes = 15
    escalate_at_count: Count = 3
    deduplicate_at_count: Count = 5
    storm_alert_at_count: Count = 10


class ThresholdBased(Section):
    """``[alerting.escalation.threshold_based]``: a quantity that keeps getting worse."""

    enabled: bool = True
    trend_window_minutes: Minutes = 60
    min_datapoints: Annotated[int, Field(ge=2, le=10_000)] = 3


class Escalation(Section):
    """``[alerting.escalation]``."""

    enabled: bool = True
    time_based: TimeBased = TimeBased()
    frequency_based: FrequencyBased = FrequencyBased()
    threshold_based: ThresholdBased = ThresholdBased()


class PerCategory(Section):
    """Cooldown per category; a category that is not named takes the default."""

    position: Seconds | None = None
    portfolio: Seconds | None = None
    drawdown: Seconds | None = None
    execution: Seconds | None = None
    system: Seconds | None = None
    security: Seconds | None = None


class Cooldown(Section):
    """``[alerting.cooldown]``."""

    enabled: bool = True
    default_seconds: Seconds = 60
    per_category: PerCategory = PerCategory(position=30, portfolio=120, system=300)
