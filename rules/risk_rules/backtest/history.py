"""History as the rules see it: the series an exporter would have shown, row by row.

Invariant: every series has one value per row, and rows are in order of time. A value that is
None was not exported; NaN was, and says that there is no figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from risk_policy.contracts import alert as labels
from risk_rules.backtest.errors import BacktestError


@dataclass(frozen=True, slots=True)
class Series:
    """One exported series."""

    metric: str
    labels: Mapping[str, str]
    values: tuple[float | None, ...]

    @property
    def risk_id(self) -> str:
        """What it is about."""
        return self.labels.get(labels.RISK_ID, "")


@dataclass(frozen=True, slots=True)
class History:
    """One account's past.

    Attributes:
        times: market time of every row.
        equity: equity of every row.
        series: everything that was exported; what no limit watches is left aside.
        source: where it was read from.
    """

    account: str
    times: tuple[datetime, ...]
    equity: tuple[float, ...]
    series: tuple[Series, ...]
    source: str = ""

    def __post_init__(self) -> None:
        rows = len(self.times)
        if not rows:
            raise BacktestError(f"{self.source or 'the history'} has no rows; one is the least")
        for earlier, later in zip(self.times, self.times[1:], strict=False):
            if later <= earlier:
                raise BacktestError(
                    f"{later.isoformat()} does not come after {earlier.isoformat()}; "
                    "rows must be in order of time, each at a time of its own"
                )
        for length, what in (
            (len(self.equity), "equity"),
            *((len(series.values), series.metric) for series in self.series),
        ):
            if length != rows:
                raise BacktestError(f"{what} has {length} values for {rows} rows; one per row")

    @property
    def spacing_seconds(self) -> float:
        """The usual time from a row to the next: the median, so that weekends do not count."""
        gaps = sorted(
            (later - earlier).total_seconds()
            for earlier, later in zip(self.times, self.times[1:], strict=False)
        )
        return gaps[(len(gaps) - 1) // 2] if gaps else 86_400.0
