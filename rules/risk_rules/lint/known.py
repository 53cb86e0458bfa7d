"""What is known of every metric: its labels, its type, its unit, and what values it can have.

From the catalogue, from what Prometheus says about itself, and from the rules at hand: a
recorded series has the labels that its rules give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, Kind
from risk_policy.catalogue.metrics import METRICS
from risk_policy.catalogue.metrics.foreign import ALERTS, FOREIGN, UP
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts import alert as labels

#: What Prometheus adds to everything it scrapes.
TARGET_LABELS: Final = frozenset({"job", "instance"})
#: Everything an alert can be about. A risk_id decides all of it.
IDENTITY: Final = frozenset(
    {
        *labels.IDENTITY_LABELS,
        *(name for limit in LIMITS for name in limit.identity),
        *(name for alert in SYSTEM_ALERTS for name in alert.identity),
    }
)
#: What labels alerts have depends on the alerts; these every one has.
_ALERTS: Final = replace(
    ALERTS, labels=(labels.ALERTNAME, "alertstate", labels.SEVERITY), component="prometheus"
)
_METRICS: Final = {**FOREIGN, ALERTS.name: _ALERTS, **METRICS}
#: Of every sample, a histogram's included.
_LABELS: Final = {
    sample: (metric, frozenset(names))
    for metric in _METRICS.values()
    for sample, names in metric.samples.items()
}


class Quantity(Enum):
    """What a number is."""

    RATIO = "a ratio"
    MULTIPLE = "a multiple"
    SECONDS = "a time in seconds"
    TIMESTAMP = "a Unix time"
    OTHER = "a number"


@dataclass(frozen=True, slots=True)
class Range:
    """The values a metric can have."""

    least: float = float("-inf")
    most: float = float("inf")


_UP_TO_ALL: Final = Range(0, 1)
_FROM_ZERO: Final = Range(0)
_ANY: Final = Range()
#: A drawdown of 1 has taken everything; an account that owes money is beyond what it watches.
_RANGES: Final = {
    m.DRAWDOWN.name: _UP_TO_ALL,
    m.INTRADAY_DRAWDOWN.name: _UP_TO_ALL,
    m.VAR_COVERED.name: _UP_TO_ALL,
    m.DISK_FREE.name: _UP_TO_ALL,
    m.KILL_SWITCH_TRIPPED.name: _UP_TO_ALL,
    m.KILLS.name: _FROM_ZERO,
    m.KILL_SWITCH_ARMED.name: _UP_TO_ALL,
    m.KILL_SWITCH_FLAT.name: _UP_TO_ALL,
    m.GATE_OPEN.name: _UP_TO_ALL,
    m.CHANNEL_UP.name: _UP_TO_ALL,
    m.AUDIT_INTACT.name: _UP_TO_ALL,
    m.AUDIT_RETENTION_STOPPED.name: _UP_TO_ALL,
    m.REPORTS_FAILING.name: _UP_TO_ALL,
    m.LIVE_ORDERS_RULED_OUT.name: _UP_TO_ALL,
    m.GATING_FLAG.name: _UP_TO_ALL,
    m.WRITER_HEALTHY.name: _UP_TO_ALL,
    UP.name: _UP_TO_ALL,
    m.SPREAD.name: Range(0, 2),
    **{
        metric.name: _FROM_ZERO
        for metric in (
            m.POSITION_SIZE, m.ASSET_CONCENTRATION, m.SECTOR_CONCENTRATION, m.POSITION_RISK,
            m.STRATEGY_USAGE, m.VENUE_USAGE, m.EXPOSURE_GROSS_RATIO, m.CONSECUTIVE_LOSSES,
            m.ATR_BASELINE, m.POSITION_ATR, m.POSITION_AGE, m.POSITION_WITHOUT_STOP,
            m.PRICE_RANGE, m.COST_BUDGET_USAGE, m.POSITIONS_OPEN, m.STATE_UNSAVED,
            m.MESSAGES_PENDING, m.DEAD_LETTERS, m.SECURITY_BLOCKED, m.INCIDENTS_OPEN,
            m.AUDIT_EVENTS, m.VAR_SAMPLES, m.RESTRICTIONS,
        )
    },
}  # fmt: skip
_JUDGED: Final = (m.LIMIT_RAW.name, m.LIMIT_VALUE.name)
_OF_LIMITS: Final = {limit.name: limit for limit in LIMITS}
_MULTIPLES: Final = {limit.metric.name for limit in LIMITS if limit.unit.kind is Kind.NUMBER}
_TIMES: Final = ("_until_seconds", "_since_seconds", "_timestamp_seconds", "_time_seconds")


@dataclass(frozen=True, slots=True)
class Origin:
    """The series an expression's value comes from, unchanged.

    Attributes:
        limit: what the series is pinned to, if it judges limits.
        age: the value is how long ago the series's value was.
    """

    metric: str
    limit: str = ""
    age: bool = False

    @property
    def measured(self) -> str:
        """The metric behind it: of what judges a limit, the limit's."""
        if self.metric in _JUDGED and self.limit in _OF_LIMITS:
            return _OF_LIMITS[self.limit].metric.name
        return self.metric

    @property
    def quantity(self) -> Quantity:
        """What its number is."""
        name = self.measured
        if name in _MULTIPLES:
            return Quantity.MULTIPLE
        if name.endswith("_ratio"):
            return Quantity.RATIO
        if name.endswith(_TIMES):
            return Quantity.SECONDS if self.age else Quantity.TIMESTAMP
        return Quantity.SECONDS if name.endswith("_seconds") else Quantity.OTHER

    @property
    def range(self) -> Range:
        """What values it can have."""
        if self.age:
            return _ANY
        return _RANGES.get(self.measured, _ANY)


def names() -> frozenset[str]:
    """Every metric that somebody exports or records."""
    return frozenset(_LABELS)


def exported_labels(name: str) -> frozenset[str] | None:
    """The labels of a metric that is scraped; None if none of that name is."""
    if name not in _LABELS:
        return None
    metric, own = _LABELS[name]
    return own | (IDENTITY if metric.component == "rules" else TARGET_LABELS)


def is_recorded(name: str) -> bool:
    """Whether rules record it, by the catalogue."""
    metric = _METRICS.get(name)
    return metric is not None and metric.component == "rules"


def is_counter(name: str) -> bool | None:
    """Whether it only ever grows; None if nobody knows the metric."""
    if name not in _LABELS and not name.endswith("_total"):
        return None
    return name.endswith("_total") or _LABELS[name][0].kind in ("counter", "histogram")


def compatible(pinned: Mapping[str, str], static: Iterable[tuple[str, str]]) -> bool:
    """Whether series with these static labels can match what is pinned."""
    return all(pinned.get(name, value) == value for name, value in static)
