"""Times and lists as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def spoken(seconds: float) -> str:
    """A duration without parts that are zero, e.g. ``1 h 30 min``."""
    parts = []
    left = round(seconds, 3)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:g} {unit}")
    if left or not parts:
        parts.append(f"{round(left, 3):g} s")
    return " ".join(parts)


def ago(seconds: float) -> str:
    """How long something has been so: never negative, no finer than needed."""
    return spoken(max(round(seconds, 1) if seconds < 10 else round(seconds), 0))


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    *first, final = words
    return f"{', '.join(first)} {last} {final}" if first else final
