"""Input series and expectations, as promtool reads them.

All times are whole milliseconds, so that no evaluation is missed by a rounding error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_rules import promql

#: A sample, or None while nobody reports the series.
Sample = float | None


@dataclass(frozen=True)
class Clock:
    """Scrapes and evaluations of one test file, in milliseconds."""

    scrape: int
    evaluation: int

    @property
    def tick(self) -> int:
        """After this long, every evaluation has seen the latest scrape."""
        return 2 * max(self.scrape, self.evaluation)

    def samples(self, *phases: tuple[Sample, float]) -> tuple[Sample, ...]:
        """Samples of phases that last at least so many milliseconds each."""
        found: list[Sample] = []
        end = 0.0
        for value, lasting in phases:
            end += lasting
            count = math.ceil(round(end / self.scrape, 6)) - len(found)
            found += [value] * max(count, 1)
        return tuple(found)

    def at(self, samples: tuple[Sample, ...], when: int) -> Sample:
        """What an evaluation sees of a series; its last sample lasts until the end."""
        if not samples:
            return None
        return samples[min(when // self.scrape, len(samples) - 1)]

    def evaluations(self, until: int) -> range:
        """The times of all evaluations up to and including one."""
        return range(0, until + 1, self.evaluation)


def policy_clock(policy: Policy) -> Clock:
    """The policy's own pace."""
    timing = policy.alerting.prometheus
    return Clock(
        milliseconds(timing.scrape_interval_seconds),
        milliseconds(timing.evaluation_interval_seconds),
    )


def milliseconds(seconds: float) -> int:
    """Seconds in whole milliseconds."""
    return round(seconds * 1000)


def moment(at: int) -> str:
    """A time of a test, as promtool reads it."""
    return duration(at / 1000)


def values(samples: tuple[Sample, ...], count: int) -> str:
    """So many samples in promtool's notation; the last one lasts."""
    filled = samples[:count] + (samples[-1],) * (count - len(samples))
    return " ".join(_notation(filled))


def series(
    metric: Metric, labels: Mapping[str, str], samples: tuple[Sample, ...], count: int
) -> dict[str, str]:
    """One input series; labels that the exporter does not set (job, instance) are welcome."""
    return {"series": selector(metric.name, labels), "values": values(samples, count)}


def selector(name: str, labels: Mapping[str, str]) -> str:
    """A series by its name and labels."""
    inside = ", ".join(
        f"{promql.label(label)}={promql.quoted(text)}" for label, text in labels.items()
    )
    return f"{name}{{{inside}}}"


def firing(labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, Any]:
    """One alert that must fire, with exactly these labels and annotations."""
    return {"exp_labels": dict(labels), "exp_annotations": dict(annotations)}


def check(alertname: str, at: int, *alerts: dict[str, Any]) -> dict[str, Any]:
    """Exactly these alerts of a name fire at a time; none if none is given."""
    return {"eval_time": moment(at), "alertname": alertname, "exp_alerts": list(alerts)}


def samples_check(
    expression: str, at: int, expected: Iterable[tuple[Mapping[str, str], float]]
) -> dict[str, Any]:
    """Exactly these series are what an expression gives at a time."""
    return {
        "expr": expression,
        "eval_time": moment(at),
        "exp_samples": [
            {"labels": selector("", labels) if labels else "", "value": value}
            for labels, value in expected
        ],
    }


def scenario(
    name: str,
    clock: Clock,
    inputs: list[dict[str, str]],
    checks: list[dict[str, Any]],
    samples: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One promtool test."""
    return {
        "name": name,
        "interval": moment(clock.scrape),
        "input_series": inputs,
        **({"alert_rule_test": checks} if checks else {}),
        **({"promql_expr_test": samples} if samples else {}),
    }


def _notation(samples: tuple[Sample, ...]) -> Iterator[str]:
    before: Sample = None
    for _, group in groupby(samples, key=_same):
        value, *more = group
        count = 1 + len(more)
        if value is None:
            if before is not None:
                yield "stale"
                count -= 1
            if count:
                yield f"_x{count}"
        else:
            text = "NaN" if math.isnan(value) else promql.number(value)
            yield f"{text}+0x{count - 1}" if count > 1 else text
        before = value


def _same(value: Sample) -> str:
    return repr(value)
