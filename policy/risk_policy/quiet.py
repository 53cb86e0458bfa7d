"""Who is not told now: the policy's mute times and business hours, for everybody who tells people.

Alertmanager is given the same windows; but it does not say which alerts it mutes for the time being
(before 0.28), so whoever tells people past it has to know by himself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from risk_policy.model.mute_times import MUTABLE_CATEGORIES
from risk_policy.model.policy import Policy
from risk_policy.vocabulary import Action, Category, Severity

#: Whatever its category, what asks for one of these is never muted.
NEVER_MUTED_ACTIONS = tuple(action for action in Action if action.trips_kill_switch)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What keeps alerts of one severity and category from people.

    Attributes:
        mute_times: names of the windows in which they are muted.
        business_hours: whether they are muted outside of business hours.
    """

    mute_times: tuple[str, ...]
    business_hours: bool

    def __bool__(self) -> bool:
        return bool(self.mute_times) or self.business_hours


def quiet_of(policy: Policy, severity: Severity, category: Category) -> Quiet:
    """What the policy says of a severity and a category."""
    alerting = policy.alerting
    if category not in MUTABLE_CATEGORIES:
        return Quiet((), business_hours=False)
    mute = tuple(
        name
        for name, window in alerting.mute_times.enabled().items()
        if severity in window.severities and category in window.categories
    )
    hours = alerting.business_hours
    return Quiet(mute, business_hours=hours.enabled and severity in hours.severities)


def is_muted(
    policy: Policy, severity: Severity, category: Category | None, action: str, at: datetime
) -> bool:
    """Whether people are not told of such an alert at a time."""
    if category is None or action in NEVER_MUTED_ACTIONS:
        return False
    quiet = quiet_of(policy, severity, category)
    windows = policy.alerting.mute_times.enabled()
    if any(one.covers(at) for name in quiet.mute_times for one in windows[name].intervals()):
        return True
    hours = policy.alerting.business_hours
    return quiet.business_hours and not any(one.covers(at) for one in hours.intervals())
