"""Whether people are kept from an alert on purpose at a moment, by the policy's windows.

Alertmanager does the muting and does not say that it does (0.25 shows such an alert as active);
whoever makes up for notifications that never came has to know.
"""

from __future__ import annotations

from datetime import datetime

from risk_policy.model import Policy
from risk_policy.model.mute_times import MUTABLE_CATEGORIES
from risk_policy.vocabulary import Action, Category, Severity
from risk_policy.windows import covers

_TRIPPING = frozenset(action.value for action in Action if action.trips_kill_switch)


def is_quiet(
    policy: Policy, severity: Severity, category: Category | None, action: str, at: datetime
) -> bool:
    """Whether a window mutes such an alert, or its business hours are over."""
    if category not in MUTABLE_CATEGORIES or action in _TRIPPING:
        return False
    alerting = policy.alerting
    windows = [
        window
        for window in alerting.mute_times.enabled().values()
        if severity in window.severities and category in window.categories
    ]
    if any(covers(interval, at) for window in windows for interval in window.intervals()):
        return True
    hours = alerting.business_hours
    if not hours.enabled or severity not in hours.severities:
        return False
    return not any(covers(interval, at) for interval in hours.intervals())
