"""When an alert that expired may be taken for over. Pure but for its clock.

Silence says nothing while nobody evaluates. So what expired is waited for from the moment on at
which all of these hold, without a break: it has expired, the alert feed is heard, and no alert says
that limits cannot be judged. Whatever breaks that, a restart of this service too, begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.gate import now_ns

_NANOSECONDS: Final = 1_000_000_000


def patience_seconds(policy: Policy, alert_lease_seconds: float) -> float:
    """Until whatever still holds, or cannot be judged, must have fired anew."""
    system, confirmation = policy.alerting.system, policy.alerting.confirmation
    until_blindness_fires = max(
        system.exporter_down_seconds, system.snapshot_stale_seconds, system.unevaluable_seconds
    )
    confirmed = max(
        confirmation.warning_seconds,
        confirmation.critical_seconds,
        confirmation.emergency_seconds,
    )
    return alert_lease_seconds + until_blindness_fires + confirmed


class Patience:
    """Since when each restriction in doubt is waited for. For one thread."""

    def __init__(self, seconds: float, clock: Callable[[], int] = now_ns) -> None:
        self._patience_ns = round(seconds * _NANOSECONDS)
        self._clock = clock
        self._since: dict[str, int] = {}

    def over(
        self, doubtful: Collection[str], *, heard_since_ns: int | None, blind: bool
    ) -> tuple[str, ...]:
        """Those that were waited for long enough.

        Args:
            heard_since_ns: since when the alert feed has been heard; None if it is not.
        """
        if blind or heard_since_ns is None:
            self._since = {}
            return ()
        now = self._clock()
        self._since = {one: self._since.get(one, now) for one in doubtful}
        return tuple(
            one
            for one, since in self._since.items()
            if now - max(since, heard_since_ns) >= self._patience_ns
        )
