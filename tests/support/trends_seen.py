"""What the rules of trends have seen live, evaluation by evaluation, to be replayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from risk_policy import Policy
from risk_policy.catalogue.limits import Limit
from risk_policy.contracts.limit_alert import bound, clear_level
from risk_rules.backtest import History, Series
from risk_rules.timing import trend_interval_seconds

#: Alert, what it is about, what it counts as, why.
Name = tuple[str, ...]
#: Some days. Buckets and samples of a trend (4.12 s, 0.201 s) have no common divisor, so a replay
#: can stand in any phase to the buckets, which begin at multiples of their length since 1970.
TREND_WINDOW_SECONDS = 24.1218


def name_of(labels: Mapping[str, str]) -> Name:
    """What tells a firing alert from others."""
    return tuple(labels[key] for key in ("alertname", "risk_id", "severity", "escalation"))


@dataclass(frozen=True)
class Seen:
    """What the rules of one limit's trends have seen live, and what fired, row by row.

    Attributes:
        grid: when each row was evaluated, or should have been, in milliseconds since 1970. The
            first rows are before the first evaluation, for the phase.
        evaluated: when it was.
        values: what was seen, by labels.
    """

    limit: Limit
    step: float
    grid: range
    evaluated: frozenset[int]
    values: Mapping[tuple[tuple[str, str], ...], Mapping[int, float]]
    fired: Sequence[set[Name]]

    def history(self) -> History:
        """As if an exporter had shown it."""
        epoch = datetime.fromtimestamp(0, UTC)
        series = [
            Series(
                self.limit.metric.name,
                dict(names),
                tuple(value if (value := seen.get(at)) is None else self.limit.side.sign * value
                      for at in self.grid),
            )
            for names, seen in self.values.items()
        ]  # fmt: skip
        return History(
            "main",
            tuple(epoch + timedelta(milliseconds=at) for at in self.grid),
            (0.0,) * len(self.grid),
            tuple(series),
        )

    def comparable(self, policy: Policy) -> list[int]:
        """Rows at which both sides know the same of the breaches that trends are about.

        Live, those are judged beside it: at the first evaluation of a day maybe not yet. And a
        row that was skipped live is empty in the replay: a breach that only goes on, on neither
        side of its tier, ends there.
        """
        found = set(range(self._first + 2, len(self.grid)))
        for seen in self.values.values():
            values = [seen.get(at) for at in self.grid]
            found -= {row for row in found if len(set(values[row - 2 : row + 1])) > 1}
            for spec in self.limit.alerts:
                ends, begins = (
                    self.limit.side.sign * level(policy, self.limit, spec)
                    for level in (clear_level, bound)
                )
                in_doubt = False
                for row, value in enumerate(values):
                    skipped = self.grid[row] not in self.evaluated
                    in_doubt = skipped if value is None else in_doubt and ends <= value <= begins
                    found -= {row} if in_doubt else set()
        return sorted(found)

    @property
    def _first(self) -> int:
        return self.grid.index(min(self.evaluated))


def in_phase(policy: Policy, first: int, last: int) -> range:
    """Milliseconds from evaluation to evaluation, from one that a replay can begin with.

    A replay begins at its zero, and with it a bucket of its trends; so it has to begin at a
    multiple of a bucket's length.
    """
    step = round(trend_interval_seconds(policy) * 1000)
    bucket = round(TREND_WINDOW_SECONDS * 1000 / 6 + step / 2)
    assert math.gcd(step, bucket) == 1
    began = next(at for at in range(first, 0, -step) if at % bucket == 0)
    return range(began, last + 1, step)
