"""Rules as Prometheus 3 reads their ranges: without a sample that lies on the far edge.

Time has whole milliseconds there, so what a range of 3.x takes in is what one that is a millisecond
shorter takes in before 3.0, which is what promtool of Debian 12 computes. The same holds for
subqueries, whose steps lie at multiples of the step however long the range is.
"""

from __future__ import annotations

import re
from typing import Final

_RANGE: Final = re.compile(r"\[((?:\d+(?:ms|s|m|h|d))+)(:\w*)?\]")
_PART: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def left_open(text: str) -> str:
    """The same text with every range a millisecond shorter."""
    return _RANGE.sub(_shorter, text)


def ranges(text: str) -> int:
    """How many there are."""
    return len(_RANGE.findall(text))


def _shorter(found: re.Match[str]) -> str:
    lasts = sum(int(count) * _MILLISECONDS[unit] for count, unit in _PART.findall(found[1]))
    return f"[{lasts - 1}ms{found[2] or ''}]"
