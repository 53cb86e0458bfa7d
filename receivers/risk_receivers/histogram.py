"""How often what was measured was within each of some bounds. Not thread-safe by itself."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


class Histogram:
    """Counts by the least bound that a value is within; what exceeds all of them counts, too."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = sorted({*bounds, math.inf})
        self._counts = [0] * len(self._bounds)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Each bound, as Prometheus writes it, and how many values were within it."""
        within = accumulate(self._counts)
        return [(_written(bound), float(n)) for bound, n in zip(self._bounds, within, strict=True)]


def _written(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(float(bound))
