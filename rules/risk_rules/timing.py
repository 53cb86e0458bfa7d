"""Times that follow from the policy's.

A failed scrape marks every series stale. Breaches are held through that by their latches
(:mod:`risk_rules.latches`); what has no latch judges the latest sample within a hold.

Half a scrape interval is added to ranges, or more, so that none is a multiple of the interval:
Prometheus 3 leaves out a sample on the far edge that Prometheus 2 still counts.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import LIMITS
from risk_policy.model import Policy

#: Limits that trip the kill switch by themselves.
_TRIPPING: Final = frozenset(
    limit.name for limit in LIMITS if any(spec.action.trips_kill_switch for spec in limit.alerts)
)
#: What only looks far back need not look often: every so many evaluations, up to a bound.
_SLOW_FACTOR: Final = 5
_SLOWEST_SECONDS: Final = 15.0
_TREND_POINTS: Final = 120
_SCRAPES_HELD: Final = 3


def account_hold_seconds(policy: Policy) -> float:
    """Until RISK_EXPORTER_DOWN fires, whatever the phase of scrapes and evaluations.

    The next scrape fails up to two intervals later (it may time out), an evaluation sees it,
    the confirmation passes, and another evaluation fires.
    """
    timing = policy.alerting.prometheus
    until_down_fires = (
        2 * timing.scrape_interval_seconds
        + policy.alerting.system.exporter_down_seconds
        + 2 * timing.evaluation_interval_seconds
    )
    short = (_SCRAPES_HELD + 0.5) * timing.scrape_interval_seconds
    return max(off_multiple(policy, until_down_fires), milliseconds(short))


def failure_memory_seconds(policy: Policy, down_seconds: float) -> float:
    """How long one failed scrape counts against a part that must be down for so long.

    Shorter than ``down_seconds`` by a scrape, so that it takes more than one failure; 0 if so
    little is left that no second failure would fall within.
    """
    interval = policy.alerting.prometheus.scrape_interval_seconds
    memory = milliseconds(down_seconds - 1.5 * interval)
    if _is_multiple(memory, interval):
        # The millisecond keeps it off a finer grid, as of the tests that prove the rules.
        memory = milliseconds(memory - interval / 4 + 0.001)
    return memory if memory > interval else 0


def off_multiple(policy: Policy, seconds: float) -> float:
    """A range at least this long that is no multiple of the scrape interval."""
    interval = policy.alerting.prometheus.scrape_interval_seconds
    longer = milliseconds(seconds + interval / 2)
    return milliseconds(longer + interval / 4) if _is_multiple(longer, interval) else longer


def looked_back_seconds(policy: Policy) -> float:
    """How far back an evaluation looks for what shows in two scrapes; 0 if it cannot miss any."""
    timing = policy.alerting.prometheus
    if timing.evaluation_interval_seconds <= 2 * timing.scrape_interval_seconds:
        return 0
    return off_multiple(policy, timing.evaluation_interval_seconds)


def half_evaluation_seconds(policy: Policy, limit: str = "") -> float:
    """Taken off a time that has to pass, so that it has at the evaluation that is nearest.

    Of a limit that trips the kill switch, evaluations are as near as scrapes.
    """
    timing = policy.alerting.prometheus
    interval = timing.evaluation_interval_seconds
    if limit in _TRIPPING:
        interval = min(interval, timing.scrape_interval_seconds)
    return milliseconds(interval / 2)


def slow_interval_seconds(policy: Policy) -> float:
    """How often what counts over minutes is evaluated."""
    interval = policy.alerting.prometheus.evaluation_interval_seconds
    return milliseconds(max(interval, min(_SLOW_FACTOR * interval, _SLOWEST_SECONDS)))


def trend_interval_seconds(policy: Policy) -> float:
    """How often a trend is sampled: a hundred times and more within its window."""
    window = policy.alerting.escalation.threshold_based.trend_window_minutes * 60
    interval = policy.alerting.prometheus.evaluation_interval_seconds
    return milliseconds(max(interval, min(window / _TREND_POINTS, 60.0)))


def confirmation_seconds(policy: Policy, tier: str) -> float:
    """How long a breach of a tier must last before it fires."""
    return policy.number(f"alerting.confirmation.{tier}_seconds")


def _is_multiple(seconds: float, interval: float) -> bool:
    return round(seconds * 1000) % round(interval * 1000) == 0


def milliseconds(seconds: float) -> float:
    """As fine as Prometheus can tell."""
    return round(seconds, 3)
