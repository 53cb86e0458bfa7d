"""Input series and expectations, as promtool reads them.

A timeline lays samples one after the other at the scrape interval and says at which time a
phase has lasted long enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.artefact import duration
from risk_rules import promql


class Timeline:
    """Samples of one series, a phase at a time."""

    def __init__(self, step_seconds: float) -> None:
        self._step = step_seconds
        self._parts: list[str] = []
        self._samples = 0

    @property
    def now(self) -> float:
        """Time of the latest sample."""
        return round((self._samples - 1) * self._step, 3)

    @property
    def next(self) -> float:
        """Time of the sample that comes next."""
        return round(self._samples * self._step, 3)

    @property
    def values(self) -> str:
        """All samples, in promtool's notation."""
        return " ".join(self._parts)

    def keep(self, value: float, seconds: float) -> float:
        """One value for at least so long; returns the time of its last sample."""
        count = self._count(seconds)
        text = "NaN" if math.isnan(value) else promql.number(value)
        return self._add(f"{text}+0x{count - 1}", count)

    def end(self, seconds: float) -> float:
        """The series ends as a failed scrape ends it, and nothing follows for so long."""
        self._add("stale", 1)
        count = self._count(seconds)
        return self._add(f"_x{count}", count)

    def absent(self, until_seconds: float) -> None:
        """No sample up to and including a time."""
        count = self._count(until_seconds) - self._samples
        self._add(f"_x{count}", count)

    def _count(self, seconds: float) -> int:
        return math.ceil(round(seconds / self._step, 6)) + 1

    def _add(self, text: str, count: int) -> float:
        self._parts.append(text)
        self._samples += count
        return self.now


def series(metric: Metric, labels: Mapping[str, str], values: str) -> dict[str, str]:
    """One input series; labels that the exporter does not set (job, instance) are welcome."""
    inside = ", ".join(
        f"{promql.label(name)}={promql.quoted(text)}" for name, text in labels.items()
    )
    return {"series": f"{metric.name}{{{inside}}}", "values": values}


def firing(labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, Any]:
    """One alert that must fire, with exactly these labels and annotations."""
    return {"exp_labels": dict(labels), "exp_annotations": dict(annotations)}


def check(alertname: str, at_seconds: float, *alerts: dict[str, Any]) -> dict[str, Any]:
    """Exactly these alerts of a name fire at a time; none if none is given."""
    return {
        "eval_time": duration(at_seconds),
        "alertname": alertname,
        "exp_alerts": list(alerts),
    }


def scenario(
    name: str,
    step_seconds: float,
    inputs: list[dict[str, str]],
    checks: list[dict[str, Any]],
    samples: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One promtool test."""
    return {
        "name": name,
        "interval": duration(step_seconds),
        "input_series": inputs,
        **({"alert_rule_test": sorted(checks, key=_order)} if checks else {}),
        **({"promql_expr_test": samples} if samples else {}),
    }


def _order(entry: dict[str, Any]) -> str:
    return str(entry["alertname"])
