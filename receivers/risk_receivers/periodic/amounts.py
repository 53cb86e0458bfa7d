"""Amounts in words: how many of something, and what share was reached."""

from __future__ import annotations

import math
import re
from typing import Final

from risk_policy.quantities import duration

_NOTHING: Final = re.compile(r"(?: 0[hms])+$")
#: Where promises are made, a digit more tells them apart.
_HIGH: Final = 0.99


def amount(count: int, one: str, more: str = "") -> str:
    """``1 message``, ``2 messages``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def span(seconds: float) -> str:
    """A time that was chosen, without what is nothing: ``1d`` and not ``1d 0h 0m 0s``."""
    return _NOTHING.sub("", duration(seconds))


def share(ratio: float) -> str:
    """A share that was reached, in percent: rounded down, so that all of it means all of it."""
    steps = 1000 if ratio >= _HIGH else 100
    # What lies below a step by a float's error alone is that step.
    return f"{math.floor(round(ratio * 100 * steps, 6)) / steps:g}%"
