"""Trends, computed from the definition: least squares, and the worst value of every sixth."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from risk_policy.model import Policy
from risk_rules.proofs.series import milliseconds

_SIXTHS = 6


def sample_milliseconds(policy: Policy) -> int:
    """How often a trend is sampled: 120 times in its window, at most once a minute."""
    window = policy.alerting.escalation.threshold_based.trend_window_minutes * 60
    evaluation = policy.alerting.prometheus.evaluation_interval_seconds
    return milliseconds(max(evaluation, min(window / 120, 60)))


class Trend:
    """The history of one value, with the sign that makes rising dangerous."""

    def __init__(self, policy: Policy) -> None:
        how = policy.alerting.escalation.threshold_based
        self._least = how.min_datapoints
        spare = round(sample_milliseconds(policy) / 2)
        window = milliseconds(how.trend_window_minutes * 60)
        self._window = window + spare
        self.bucket = round(window / _SIXTHS) + spare
        self._times: list[int] = []
        self._values: list[float] = []

    def add(self, now: int, value: float) -> None:
        """One more sample."""
        self._times.append(now)
        self._values.append(value)

    def moved(self, now: int) -> float:
        """How far the value is from its best within the window."""
        return self._values[-1] - min(self._within(now, self._window)[1])

    def rate(self, now: int) -> float | None:
        """How fast it rises per second, if it does so steadily; else None."""
        lately = _slope(*self._within(now, self.bucket))
        if lately is None or lately <= 0:
            return None
        rate = _slope(*self._within(now, self._window))
        if rate is None or rate <= 0:
            return None
        last = now - now % self.bucket
        times = range(last, max(now - self._window, 0) - 1, -self.bucket)
        sixths = [self._within(at, self.bucket)[1] for at in reversed(times)]
        worst = [max(found) for found in sixths if found]
        fell = any(later < earlier for earlier, later in pairwise(worst))
        rose = sum(later != earlier for earlier, later in pairwise(worst))
        return None if fell or rose < self._least - 1 else rate

    def _within(self, now: int, length: int) -> tuple[list[int], list[float]]:
        start = bisect_left(self._times, now - length)
        end = bisect_left(self._times, now + 1)
        return self._times[start:end], self._values[start:end]


def _slope(times: list[int], values: list[float]) -> float | None:
    if len(times) < 2:
        return None
    if values.count(values[0]) == len(values):
        return 0.0
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    # Lists, as this is most of what generating costs, and a generator takes half as long again.
    apart = [time - mean_time for time in times]
    spread = sum([one * one for one in apart])
    together = sum([one * (value - mean_value) for one, value in zip(apart, values, strict=True)])
    return 1000 * together / spread
