"""Figures by name: of positions, strategies, venues, budgets. What has no figure has no name.

Invariant: a figure that nobody told is absent; it is neither NaN nor a 0 that looks safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from risk_exporter.value_at_risk import Flags, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """``values[i]`` is the figure of ``names[i]``; no name comes twice."""

    names: tuple[str, ...]
    values: Floats

    @classmethod
    def told(cls, names: Sequence[str], values: Sequence[float | None]) -> Named:
        """The figures that were told, that is, are not None."""
        if all(value is None for value in values):
            return NOTHING
        figures = np.array(values, dtype=np.float64)  # None becomes NaN
        return cls.where(~np.isnan(figures), names, figures)

    @classmethod
    def where(cls, known: Flags, names: Sequence[str], values: Floats) -> Named:
        """Some of the figures."""
        if known.all():
            return cls(tuple(names), values)
        if not known.any():
            return NOTHING
        return cls(tuple(compress(names, known.tolist())), values[known])

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, float]]) -> Named:
        """Figures one by one."""
        figures = dict(pairs)
        return cls(tuple(figures), np.array(list(figures.values()), dtype=np.float64))


NOTHING: Final = Named((), np.empty(0))
