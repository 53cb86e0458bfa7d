"""What numbers are, and how Grafana writes them. A metric's name says it, by its suffix."""

from __future__ import annotations

from enum import Enum
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, Kind
from risk_policy.catalogue.metrics import Metric

_MULTIPLES: Final = {limit.metric.name for limit in LIMITS if limit.unit.kind is Kind.NUMBER}
#: In the account's currency: told to the last unit, and not in millions.
_AMOUNTS: Final = (m.EQUITY, m.EQUITY_PEAK, m.EQUITY_DAY_START, m.POSITION_NOTIONAL)
_MOMENTS: Final = ("_until_seconds", "_since_seconds", "_timestamp_seconds", "_time_seconds")


class Unit(Enum):
    """The values are Grafana's identifiers."""

    RATIO = "percentunit"
    SECONDS = "s"
    NUMBER = "short"
    AMOUNT = "locale"
    PER_SECOND = "cps"
    #: What is compared and not computed with: every digit counts.
    DIGITS = "hex"
    #: A state, shown in words.
    STATE = "none"

    @property
    def decimals(self) -> int | None:
        """How many are worth showing; None leaves it to Grafana."""
        return {Unit.RATIO: 2, Unit.DIGITS: 0, Unit.STATE: 0}.get(self)


def unit_of(metric: Metric) -> Unit | None:
    """What a metric's samples are; None for a Unix time, of which only a difference is shown."""
    if metric in _AMOUNTS:
        return Unit.AMOUNT
    if metric.name in _MULTIPLES:
        return Unit.NUMBER
    if metric.name.endswith("_ratio"):
        return Unit.RATIO
    if metric.name.endswith(_MOMENTS):
        return None
    return Unit.SECONDS if metric.name.endswith("_seconds") else Unit.NUMBER
