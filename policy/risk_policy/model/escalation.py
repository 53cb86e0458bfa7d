"""Retention of alerts, escalation, acknowledgement, and what keeps messages from piling up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from risk_policy.model.base import (
    AtMost,
    Count,
    Days,
    Minutes,
    Seconds,
    Section,
    Switch,
    WholeNumber,
)
from risk_policy.vocabulary import Category, Severity

_Window = Annotated[
    Minutes, AtMost(1440, "what happened longer than a day ago is not the same trouble")
]
_Unacknowledged = Annotated[
    Minutes, AtMost(1440, "an alert that nobody answers for a day must have gone further up")
]
_Acknowledged = Annotated[
    Minutes,
    AtMost(1440, "what nobody has looked at again for a day is forgotten, not acknowledged"),
]
_Cooldown = Annotated[
    Seconds, AtMost(7200, "an alert that is kept quiet for more than two hours is a missed one")
]


def _told_at_once(value: object) -> object:
    if value is not None:
        raise PydanticCustomError(
            "never_held", "cannot be set: these have to reach people at once; remove the key"
        )
    return value


#: A key that stands here to say why it cannot be written.
_NeverHeld = Annotated[Literal[None], BeforeValidator(_told_at_once)]


class Retention(Section):
    """``[alerting.retention]``: what the receivers keep of what is over, beside the audit chain.

    Attributes:
        days: so long stays listed what is over.
        max_events: of more incidents than that the oldest go sooner, but none within a day.
    """

    days: Days = 90
    max_events: Count = 100_000


class Deduplication(Section):
    """``[alerting.deduplication]``: what is said twice, and what too many say at once.

    Within the window an incident is not told to be in the same state again, and more beginnings
    than ``escalation.frequency_based.storm_alert_at_count`` are a storm. What is held back is
    told in a digest, at most one a window.
    """

    enabled: Switch = True
    window_seconds: Annotated[
        Seconds, AtMost(3600, "the same alert after more than an hour is news, not a duplicate")
    ] = 60


class TimeBased(Section):
    """``[alerting.escalation.time_based]``: minutes without an acknowledgement."""

    enabled: Switch = True
    warning_to_critical_minutes: _Unacknowledged = 5
    critical_to_emergency_minutes: _Unacknowledged = 15
    emergency_kill_switch_minutes: _Unacknowledged = 30


class FrequencyBased(Section):
    """``[alerting.escalation.frequency_based]``: how often one breach began.

    ``escalate_at_count`` within a third of the window raises it one level,
    ``deduplicate_at_count`` within two thirds raises it two and lets it stand as one alert,
    ``storm_alert_at_count`` within the whole window, over everything of a kind, is a storm.
    """

    enabled: Switch = True
    window_minutes: _Window = 15
    escalate_at_count: Count = 3
    deduplicate_at_count: Count = 5
    storm_alert_at_count: Count = 10


class ThresholdBased(Section):
    """``[alerting.escalation.threshold_based]``: a quantity that keeps getting worse.

    Attributes:
        trend_window_minutes: how far back the trend is computed.
        min_datapoints: so many levels, each worse than the one before, make a trend.
        project_minutes: a threshold projected to be reached within this time escalates.
    """

    enabled: Switch = True
    trend_window_minutes: _Window = 60
    project_minutes: _Window = 30
    min_datapoints: Annotated[WholeNumber, Field(ge=2, le=10_000)] = 3


class Escalation(Section):
    """``[alerting.escalation]``."""

    enabled: Switch = True
    time_based: TimeBased = TimeBased()
    frequency_based: FrequencyBased = FrequencyBased()
    threshold_based: ThresholdBased = ThresholdBased()


class Acknowledgement(Section):
    """``[alerting.acknowledgement]``: how long somebody may keep an alert quiet.

    Attributes:
        default_minutes: how long it holds unless somebody says otherwise.
        max_minutes: the longest that may be asked for, and the end of every extension.
        extend: whether one is prolonged, by ``default_minutes`` each time, while its incident
            is open.
    """

    default_minutes: _Acknowledged = 60
    max_minutes: _Acknowledged = 480
    extend: Switch = True


class PerCategory(Section):
    """Cooldown per category; a category that is not named takes the default."""

    position: _Cooldown | None = None
    portfolio: _Cooldown | None = None
    drawdown: _Cooldown | None = None
    execution: _Cooldown | None = None
    system: _Cooldown | None = None
    security: _NeverHeld = None


class Cooldown(Section):
    """``[alerting.cooldown]``: how long after it was told a breach that comes back is held."""

    enabled: Switch = True
    default_seconds: _Cooldown = 60
    per_category: PerCategory = PerCategory(position=30, portfolio=120, system=300)

    def of(self, category: Category | None) -> float:
        """The cooldown of a category, in seconds."""
        own: float | None = getattr(self.per_category, category.value, None) if category else None
        return self.default_seconds if own is None else own


class RateLimits(Section):
    """``[alerting.rate_limits]``: most messages about incidents in a minute, per severity.

    Beyond it, ends and repeats wait for the next digest, and too many new incidents are a storm.
    """

    enabled: Switch = True
    debug: Count = 10
    info: Count = 10
    warning: Count = 20
    critical: Count = 30
    emergency: _NeverHeld = None

    def of(self, severity: Severity) -> int | None:
        """The limit of a severity; None if it has none."""
        limit: int | None = getattr(self, severity.value) if self.enabled else None
        return limit
