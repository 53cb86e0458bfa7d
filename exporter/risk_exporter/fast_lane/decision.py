"""Which figures of an account are in breach of a tier that trips the kill switch. Pure.

As the rules have it: a breach begins beyond the threshold, has to last for what the policy's
``confirmation`` says, and ends at the clear level. On top of that, so many snapshots in a row have
to be beyond the threshold before it has begun, since a single one may show equity that never was;
one that is sent again is no second one.

What cannot be told (NaN) confirms nothing, and ends nothing that has begun. A figure that is no
longer there is in no breach. A wall clock that is set back makes a breach last longer, never
shorter than asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit
from risk_policy.contracts import limit_alert
from risk_policy.contracts.alert import RISK_ID

#: Every tier whose alert trips the kill switch.
KILL_TIERS: Final = tuple(
    (limit, spec) for limit in LIMITS for spec in limit.alerts if spec.action.trips_kill_switch
)

#: What an account shows of a limit: identity with risk_id, and value.
Figures = Callable[[Limit], Iterable[tuple[Mapping[str, str], float]]]
#: A figure and a tier of its limit: risk_id and tier, as an incident is known by.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KillTier:
    """One tier as the policy has it.

    Attributes:
        bound: where a breach begins, in the metric's unit.
        clear: where it ends.
        lasts: how long it has to last before it counts.
    """

    limit: Limit
    spec: AlertSpec
    bound: float
    clear: float
    lasts: timedelta

    def is_beyond(self, value: float, level: float) -> bool:
        """Whether a value is on the dangerous side of a level."""
        sign = self.limit.side.sign
        ahead = sign * (abs(value) if self.limit.absolute else value) - sign * level
        return ahead >= 0 if self.limit.inclusive else ahead > 0


@dataclass(frozen=True, slots=True)
class Watch:
    """A figure that is beyond a threshold, or in breach of it.

    Attributes:
        identity: what it is about, risk_id included.
        since: when the first of the snapshots was taken in that count.
        taken_at: when the last of them was, by the runtime.
        snapshots: how many they are.
        fired_at: when the breach counted, None as long as it is not confirmed.
    """

    tier: KillTier
    identity: Mapping[str, str]
    value: float
    since: datetime
    taken_at: datetime
    snapshots: int
    fired_at: datetime | None


def kill_tiers(policy: Policy) -> tuple[KillTier, ...]:
    """Every tier that trips the kill switch, with its thresholds."""
    return tuple(
        KillTier(
            limit,
            spec,
            limit_alert.bound(policy, limit, spec),
            limit_alert.clear_level(policy, limit, spec),
            timedelta(seconds=policy.number(f"alerting.confirmation.{spec.tier.value}_seconds")),
        )
        for limit, spec in KILL_TIERS
    )


def decide(
    tiers: Iterable[KillTier],
    confirm_snapshots: int,
    figures: Figures,
    before: Mapping[Key, Watch],
    now: datetime,
    taken_at: datetime,
) -> dict[Key, Watch]:
    """What is watched of an account after a snapshot, given what was before it.

    Args:
        taken_at: when the runtime took the snapshot, which tells it from one that is sent again.
    """
    watched: dict[Key, Watch] = {}
    for tier in tiers:
        for identity, value in figures(tier.limit):
            key = (identity[RISK_ID], tier.spec.tier.value)
            fresh = Watch(tier, identity, value, now, taken_at, 1, None)
            watch = _judged(fresh, before.get(key), confirm_snapshots, now)
            if watch is not None:
                watched[key] = watch
    return watched


def _judged(
    fresh: Watch, before: Watch | None, confirm_snapshots: int, now: datetime
) -> Watch | None:
    tier, value = fresh.tier, fresh.value
    snapshots = fresh.snapshots
    if before is not None:
        is_another = fresh.taken_at != before.taken_at
        snapshots = before.snapshots + (is_another and tier.is_beyond(value, tier.bound))
    if not tier.is_beyond(value, tier.bound):  # nor is NaN
        if before is None or before.snapshots < confirm_snapshots:
            return None
        if math.isnan(value):
            return before
        if not tier.is_beyond(value, tier.clear):
            return None
    if before is not None and before.fired_at is not None:
        return replace(before, value=value)
    # A clock that was set back is believed from now on.
    since = min(before.since, now) if before else now
    is_confirmed = snapshots >= confirm_snapshots and now - since >= tier.lasts
    return replace(fresh, since=since, snapshots=snapshots, fired_at=now if is_confirmed else None)
