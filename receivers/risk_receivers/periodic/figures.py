"""Numbers from what was told. Pure: the figures of a period split in two add up to its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from risk_policy.vocabulary import Severity
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.told import Told


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that is counted, each by when it happened.

    Attributes:
        alerts: that began to fire, those included of which only that is left.
        critical: of them, as severe as that when they began; ``emergency`` likewise.
        escalations: to critical or worse.
        gone: records without their payload.
    """

    alerts: int
    critical: int
    emergency: int
    escalations: int
    resolved: int
    expired: int
    acks: int
    blocked: int
    kills: int
    force_closed: int
    restrictions: int
    delivered: int
    given_up: int
    taken_over: int
    refused_access: int
    events: int
    gone: int


def totals(told: Told, period: Period) -> Totals:
    """The counts of a period."""
    counts, gone = told.counts(period), told.gone_in(period)
    began = told.alerts_in(period)
    deliveries = [one for one in told.deliveries if one.at in period]
    return Totals(
        alerts=counts["ALERT_CREATED"],
        critical=sum(one.severity is Severity.CRITICAL for one in began),
        emergency=sum(one.severity is Severity.EMERGENCY for one in began),
        escalations=sum(
            one.at in period and one.severity.rank >= Severity.CRITICAL.rank
            for alert in told.alerts
            for one in alert.escalations
        ),
        resolved=counts["ALERT_RESOLVED"],
        expired=counts["ALERT_EXPIRED"],
        acks=counts["ALERT_ACKNOWLEDGED"],
        blocked=counts["TRADE_BLOCKED"],
        kills=counts["KILL_SWITCH_ACTIVATED"],
        force_closed=counts["POSITION_FORCE_CLOSED"],
        restrictions=counts["RESTRICTION_IMPOSED"],
        delivered=sum(one.is_delivered for one in deliveries),
        given_up=sum(not one.is_delivered and not one.taken_over_by for one in deliveries),
        taken_over=sum(bool(one.taken_over_by) for one in deliveries),
        refused_access=counts["ACCESS_REFUSED"] + counts["LOGIN_REFUSED"],
        events=sum(counts.values()),
        gone=sum(gone.values()),
    )


def by_category(told: Told, period: Period) -> Counter[str]:
    """Alerts that began to fire, by category; those without a payload by that."""
    found = Counter(
        one.category.value if one.category else "none" for one in told.alerts_in(period)
    )
    if gone := told.gone_in(period)["ALERT_CREATED"]:
        found["payload gone"] = gone
    return found


def percents(counts: Sequence[int]) -> list[int]:
    """Shares in whole percent that add up to 100: the largest rests are rounded up."""
    total = sum(counts)
    if not total:
        return [0 for _ in counts]
    found = [100 * count // total for count in counts]
    by_rest = sorted(range(len(counts)), key=lambda at: -(100 * counts[at] % total))
    for at in by_rest[: 100 - sum(found)]:
        found[at] += 1
    return found


def by_name(told: Told, period: Period) -> Counter[tuple[str, str]]:
    """Alerts that began to fire, by name and what they are about."""
    return Counter((one.name, one.risk_id) for one in told.alerts_in(period))


def ack_seconds(told: Told, period: Period) -> list[float]:
    """How long alerts that were acknowledged had waited for it."""
    return [one.seconds for one in told.acks if one.at in period and one.seconds is not None]


def silent_seconds(told: Told, period: Period) -> dict[str, float]:
    """How long each feed was silent."""
    found: dict[str, float] = {}
    for one in told.outages:
        if seconds := one.seconds_in(period):
            found[one.feed] = found.get(one.feed, 0.0) + seconds
    return found


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest of them that this share does not exceed: one of the values, never a guess."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def lasted(start: datetime, end: datetime | None, until: datetime) -> float:
    """Seconds from a beginning to an end, or until now."""
    return max(((end or until) - start).total_seconds(), 0.0)
