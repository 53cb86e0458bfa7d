"""Ratios that fail towards danger: of nothing, any amount is infinitely much."""

from __future__ import annotations

import math

import numpy as np

from risk_exporter.value_at_risk import Floats


def ratios(amounts: Floats, base: Floats | float) -> Floats:
    """Amounts divided by a base; where it is zero or below, infinite unless the amount is 0."""
    positive = np.asarray(base, dtype=np.float64) > 0
    with np.errstate(over="ignore", invalid="ignore"):
        divided = amounts / np.where(positive, base, 1.0)
    bottomless = np.where(amounts == 0, amounts, np.copysign(np.inf, amounts))
    return np.where(positive, divided, bottomless)


def ratio(amount: float, base: float) -> float:
    """One amount divided by a base, by the rule of :func:`ratios`."""
    if base > 0:
        return amount / base
    return amount if amount == 0 or math.isnan(amount) else math.copysign(math.inf, amount)
