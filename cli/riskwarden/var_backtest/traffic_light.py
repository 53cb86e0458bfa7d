"""The supervisor's traffic light over a count of exceptions. Pure.

Basel Committee on Banking Supervision, "Supervisory framework for the use of 'backtesting' in
conjunction with the internal models approach to market risk capital requirements" (January 1996),
table 2: of the last 250 daily forecasts at 99 %, up to 4 exceptions are green, 5 to 9 yellow, 10
and more red, and the multiplier of 3 for the capital requirement grows by a plus factor.

The zones there begin where so many exceptions or fewer have a chance of 95 % and of 99.99 % if
the model is right. That rule gives zones for any level and any number of days, and is what stands
here; a plus factor is defined for 250 days at 99 % alone, and nothing is made up for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from riskwarden.var_backtest.coverage import at_most, least_days

_YELLOW_FROM: Final = 0.95
_RED_FROM: Final = 0.9999
#: What the framework is written for.
BASEL_DAYS: Final = 250
BASEL_PROBABILITY: Final = 0.01
#: By the number of exceptions; 0 below and 1 above.
_PLUS: Final = {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85}
_RED_PLUS: Final = 1.0


class Zone(StrEnum):
    """What a supervisor makes of it."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class TrafficLight:
    """The zone of a count of exceptions.

    Attributes:
        zone: None where there are too few days to tell.
        yellow_from: the fewest exceptions that are yellow, and ``red_from`` those that are red.
        plus_factor: None where the framework defines none.
    """

    days: int
    exceptions: int
    zone: Zone | None
    yellow_from: int
    red_from: int
    plus_factor: float | None


def traffic_light(days: int, exceptions: int, probability: float) -> TrafficLight:
    """Which zone so many exceptions on so many days are in."""
    yellow_from = _first_at(_YELLOW_FROM, days, probability)
    red_from = _first_at(_RED_FROM, days, probability)
    if days < least_days(probability):
        return TrafficLight(days, exceptions, None, yellow_from, red_from, None)
    zone = Zone.GREEN
    if exceptions >= red_from:
        zone = Zone.RED
    elif exceptions >= yellow_from:
        zone = Zone.YELLOW
    plus = None
    if days == BASEL_DAYS and abs(probability - BASEL_PROBABILITY) < 1e-12:
        plus = _RED_PLUS if zone is Zone.RED else _PLUS.get(exceptions, 0.0)
    return TrafficLight(days, exceptions, zone, yellow_from, red_from, plus)


def _first_at(chance: float, days: int, probability: float) -> int:
    """The fewest exceptions that are reached or undercut with at least this chance."""
    low, high = 0, days
    while low < high:
        middle = (low + high) // 2
        if at_most(days, middle, probability) >= chance:
            high = middle
        else:
            low = middle + 1
    return low
