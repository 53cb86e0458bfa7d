"""Which stretches of history can matter to a limit. The rest need not be evaluated.

A limit is calm where none of its values is beyond the mildest clear level: no breach can begin
there, and one that went on has ended. Once it has been calm for as long as any of its rules
remembers, nothing of the past is left, and the next stretch may be replayed on its own.
Wherever that is not certain, it is not calm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.catalogue.limits import Limit, Side
from risk_policy.contracts.limit_alert import bound, clear_level
from risk_policy.model import Policy
from risk_rules.backtest.clock import Clock
from risk_rules.frequency import window_seconds
from risk_rules.timing import trend_interval_seconds

_SPARE_EVALUATIONS: Final = 3

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Span:
    """Evaluations from ``start`` up to, and without, ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many evaluations."""
        return self.end - self.start


def spans(policy: Policy, clock: Clock, limit: Limit, series: Sequence[Values]) -> list[Span]:
    """The stretches to evaluate, in order, apart from each other by more than any memory."""
    count = len(series[0]) if series else 0
    hot = [False] * count
    level = clear_level(policy, limit, limit.alerts[0])
    for values in series:
        _mark(hot, values, limit, level)
    margin = clock.evaluations(memory_seconds(policy, limit)) + _SPARE_EVALUATIONS
    found: list[Span] = []
    at = 0
    while at < count:
        if not hot[at]:
            at += 1
            continue
        end = at
        while end < count and hot[end]:
            end += 1
        start, until = max(0, at - margin), min(count, end + margin)
        while start and any(_unknown(values[start]) for values in series):
            start -= 1
        while found and start <= found[-1].end:
            start = min(start, found.pop().start)
        found.append(Span(start, until))
        at = end
    return found


def reached(policy: Policy, limit: Limit, series: Sequence[Values]) -> set[str]:
    """The tiers of which a value is beyond the threshold. No breach of another can begin."""
    numbers = [
        abs(value) if limit.absolute else value
        for values in series
        for value in values
        if value is not None and not math.isnan(value)
    ]
    sign = limit.side.sign
    worst = max((sign * number for number in numbers), default=-math.inf)
    return {
        spec.tier.value
        for spec in limit.alerts
        # Exactly at the threshold counts too: for a limit that is inclusive, it must.
        if worst >= sign * bound(policy, limit, spec)
    }


def memory_seconds(policy: Policy, limit: Limit) -> float:
    """How far back any rule of a limit looks, in the time of the policy."""
    cooldown = policy.number(f"{limit.cooldown}.cooldown_minutes") * 60 if limit.cooldown else 0
    trend = policy.alerting.escalation.threshold_based.trend_window_minutes * 60
    return max(
        cooldown,
        policy.alerting.latch.hold_missing_minutes * 60,
        window_seconds(policy, 1.0),
        trend + trend / 2 + trend_interval_seconds(policy),
    )


def _mark(hot: list[bool], values: Values, limit: Limit, level: float) -> None:
    """Note where a series is beyond a level. A figure that is NaN counts as the one before."""
    sign, absolute = limit.side is Side.ABOVE, limit.absolute
    beyond = False
    for at, value in enumerate(values):
        if value is None:
            beyond = False
        elif value == value:
            size = abs(value) if absolute else value
            # Exactly at the level counts too: for a clear level that is inclusive, it must.
            beyond = size >= level if sign else size <= level
        if beyond:
            hot[at] = True


def _unknown(value: float | None) -> bool:
    return value is not None and math.isnan(value)
