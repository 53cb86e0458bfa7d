"""The clock of an alert that nobody acknowledges: what it counts as, and when.

For the rules, for runbooks and for ``rules explain``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from risk_policy.catalogue import system
from risk_policy.model import Policy
from risk_policy.vocabulary import Severity

_T: Final = "alerting.escalation.time_based."
#: What an alert counts as after so many minutes without an acknowledgement.
STEPS: Final = (
    (_T + "warning_to_critical_minutes", Severity.CRITICAL),
    (_T + "critical_to_emergency_minutes", Severity.EMERGENCY),
)
LAST: Final = _T + "emergency_kill_switch_minutes"
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Step:
    """What happens while nobody acknowledges it, and when.

    Attributes:
        after_seconds: since the breach began.
        event: a few words for a drawing.
    """

    after_seconds: float
    event: str
    severity: str
    alert: str


def enabled(policy: Policy) -> bool:
    """Whether the policy wants escalation by time."""
    how = policy.alerting.escalation
    return how.enabled and how.time_based.enabled


def steps(severity: Severity) -> Iterator[tuple[str, Severity]]:
    """What an alert of a severity escalates to, and the key that says after how many minutes."""
    return ((key, worse) for key, worse in STEPS if worse.rank > severity.rank)


def timeline(
    policy: Policy, alert: str, severity: Severity, confirmation: float, *, escalates: bool
) -> tuple[Step, ...]:
    """Every step from the beginning of the breach on, while nobody acknowledges it."""
    found = [Step(confirmation, f"fires: {severity}", severity.value, alert)]
    if escalates and enabled(policy):
        for key, worse in steps(severity):
            after = confirmation + policy.number(key) * _MINUTE
            found.append(Step(after, worse.value, worse.value, alert))
        after = confirmation + policy.number(LAST) * _MINUTE
        last = system.KILL_SWITCH_EVALUATION
        found.append(Step(after, "kill-switch evaluation", last.severity.value, last.name))
    return tuple(found)
