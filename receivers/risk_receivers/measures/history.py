"""What a limit stood at in some time, as Prometheus kept it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from risk_policy.catalogue.limits import Limit
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_receivers.measures.current import series_of, thresholds
from risk_receivers.prometheus import PrometheusApi
from risk_receivers.shapes.measures import Line, Past

#: Points of a line: more than a screen is wide.
MOST_POINTS: Final = 2000
#: Lines of one answer; who wants others names what they are about.
MOST_LINES: Final = 100


def history(
    policy: Policy,
    prometheus: PrometheusApi,
    limit: Limit,
    about: Mapping[str, str],
    start: float,
    end: float,
    step_seconds: float,
) -> Past:
    """The lines of a limit between two Unix times. Raises PrometheusError."""
    found = prometheus.over(series_of(limit, about), start, end, step_seconds)
    lines: list[Line] = [
        {
            "risk_id": one.labels.get(labels.RISK_ID, ""),
            "about": {name: one.labels.get(name, "") for name in limit.identity},
            "points": [(at, _finite(value)) for at, value in one.values],
        }
        for one in found[:MOST_LINES]
    ]
    return {
        "limit": limit.name,
        "title": limit.title,
        "unit": limit.unit.kind.value,
        "step_seconds": step_seconds,
        "thresholds": thresholds(policy, limit),
        "lines": lines,
        "more_lines": max(0, len(found) - MOST_LINES),
    }


def step_for(start: float, end: float, least_seconds: float) -> float:
    """The closest points that are no more than :data:`MOST_POINTS`, as whole steps of the least."""
    steps = math.ceil((end - start) / MOST_POINTS / least_seconds)
    return max(1, steps) * least_seconds


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
