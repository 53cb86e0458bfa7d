"""How rows of history become evaluations, and what that does to timers.

A row stands for ``step_seconds`` of wall time, in which nothing else is known. So:

* a row shorter than the policy's evaluation interval: evaluations see the row that is current,
  and the rows between are never looked at, as on a live replay;
* a longer row is evaluated once. Timers then count whole rows, to the nearest one;
* beyond a minute, the tester's clock runs slower than the wall: Prometheus forgets a sample
  after five minutes, and a latch that reads its own last sample must find it. An evaluation is
  a minute of the tester's time then, and every duration of the policy is shortened by the same
  factor. That is exact, because rules know no other clock; only what is shorter than half a
  row, such as an escalation after five minutes on daily rows, happens within the row it
  begins in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel

from risk_policy.model import Policy
from risk_rules.backtest.errors import BacktestError

#: A fifth of what Prometheus looks back: a latch survives even if evaluations are skipped.
_LONGEST_EVALUATION_SECONDS: Final = 60.0
_SHORTEST_STEP_SECONDS: Final = 0.001
_A: Final = "alerting"
_Section = TypeVar("_Section", bound=BaseModel)
#: Every duration of the policy that a rule about a limit measures.
_DURATIONS: Final = (
    f"{_A}.confirmation.warning_seconds",
    f"{_A}.confirmation.critical_seconds",
    f"{_A}.confirmation.emergency_seconds",
    f"{_A}.latch.hold_missing_minutes",
    f"{_A}.circuit_breakers.drawdown.cooldown_minutes",
    f"{_A}.circuit_breakers.consecutive_losses.cooldown_minutes",
    f"{_A}.escalation.time_based.warning_to_critical_minutes",
    f"{_A}.escalation.time_based.critical_to_emergency_minutes",
    f"{_A}.escalation.time_based.emergency_kill_switch_minutes",
    f"{_A}.escalation.frequency_based.window_minutes",
    f"{_A}.escalation.threshold_based.trend_window_minutes",
    f"{_A}.escalation.threshold_based.project_minutes",
)
_INTERVALS: Final = (
    f"{_A}.prometheus.scrape_interval_seconds",
    f"{_A}.prometheus.evaluation_interval_seconds",
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The tester's clock.

    Attributes:
        step_seconds: wall time that one row stands for.
        evaluation_seconds: from one evaluation to the next, in the tester's time.
        compression: how many wall seconds are one of the tester's.
    """

    step_seconds: float
    evaluation_seconds: float
    compression: float = 1.0

    @classmethod
    def of(cls, policy: Policy, step_seconds: float) -> Clock:
        """The clock for rows of some length. Raises BacktestError."""
        if not (math.isfinite(step_seconds) and step_seconds >= _SHORTEST_STEP_SECONDS):
            raise BacktestError(f"a row of {step_seconds} s is too short; 1 ms is the least")
        evaluation = policy.alerting.prometheus.evaluation_interval_seconds
        interval = round(max(step_seconds, evaluation), 3)
        if interval <= _LONGEST_EVALUATION_SECONDS:
            return cls(step_seconds, interval)
        longest = _LONGEST_EVALUATION_SECONDS
        return cls(step_seconds, longest, interval / longest)

    def rows(self, count: int) -> tuple[int, ...]:
        """Which row each evaluation sees."""
        if self.step_seconds * (1 + 1e-9) >= self.evaluation_seconds:
            return tuple(range(count))
        per_evaluation = self.evaluation_seconds / self.step_seconds
        evaluations = math.ceil(round(count / per_evaluation, 9))
        return tuple(int(round(at * per_evaluation, 9)) for at in range(evaluations))

    def policy(self, policy: Policy, *, answered: bool = False) -> Policy:
        """The policy as the tester has to see it.

        Args:
            answered: somebody acknowledges everything at once, so nothing escalates by time.
        """
        changed: dict[str, object] = dict.fromkeys(_INTERVALS, self.evaluation_seconds)
        if self.compression != 1:
            for key in _DURATIONS:
                changed[key] = policy.number(key) / self.compression
        if answered:
            changed[f"{_A}.escalation.time_based.enabled"] = False
        for key, value in changed.items():
            policy = _replaced(policy, key.split("."), value)
        return policy

    def evaluations(self, seconds: float) -> int:
        """How many evaluations a time of the tester's covers, rounded up."""
        return math.ceil(seconds / self.evaluation_seconds)


def _replaced(section: _Section, path: list[str], value: object) -> _Section:
    name, *rest = path
    new = _replaced(getattr(section, name), rest, value) if rest else value
    return section.model_copy(update={name: new})
