"""How far every limit is from its thresholds, and how fresh that is.

All of it is asked of Prometheus in two questions. Of what there is one of for each holding, only
the most dangerous few are told: those are what somebody has to look at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side
from risk_policy.contracts import alert as labels
from risk_policy.contracts.limit_alert import bound, clear_level
from risk_policy.model import Policy
from risk_receivers.prometheus import PrometheusApi, PrometheusError, Sample, quoted
from risk_receivers.shapes.measures import Account, Current, Measured, Threshold, Watched

#: Of each limit.
MOST_VALUES: Final = 10
_MOST_DANGEROUS: Final = {Side.ABOVE: "topk", Side.BELOW: "bottomk"}
_ACCOUNT: Final = "account"
_BY_NAME: Final = {limit.name: limit for limit in LIMITS}
#: Whoever fell silent is told of as silent for so long, though its series are gone at once when its
#: runtime dies: else nobody would miss it.
_MISSED: Final = "1h"
#: When each account reported last, as Unix time.
REPORTED: Final = f"max by ({_ACCOUNT}) (last_over_time({m.SNAPSHOT_TIMESTAMP.name}[{_MISSED}]))"


def series_of(limit: Limit, matchers: Mapping[str, str] | None = None) -> str:
    """What a limit is judged by, as PromQL; ``matchers`` are equal to what they name."""
    wanted = [f"{name}={quoted(value)}" for name, value in (matchers or {}).items()]
    if any(other.metric is limit.metric for other in LIMITS if other is not limit):
        # Limits that share a metric have series of their own, told apart by what they are about.
        wanted.append(f"{labels.RISK_ID}=~{quoted(limit.name + '/.*')}")
    series = f"{limit.metric.name}{{{', '.join(wanted)}}}"
    return f"abs({series})" if limit.absolute else series


QUESTION: Final = " or ".join(
    f'label_replace({_MOST_DANGEROUS[limit.side]}({MOST_VALUES}, {series_of(limit)}), "limit", '
    f'{quoted(limit.name)}, "", "")'
    for limit in LIMITS
)


def current(
    policy: Policy, prometheus: PrometheusApi, now: float, *, past: bool = False
) -> Current:
    """What every limit stands at, ``now`` as Unix time; if it is ``past``, what they stood at then.

    Raises PrometheusError.
    """
    at = now if past else None
    found: dict[str, list[Measured]] = {limit.name: [] for limit in LIMITS}
    for sample in prometheus.instant(QUESTION, at):
        limit = _BY_NAME.get(sample.labels.get("limit", ""))
        if limit is None:
            raise PrometheusError(f"Prometheus at {prometheus.url} answers what was not asked")
        found[limit.name].append(_measured(policy, limit, sample.labels, sample.value))
    return {
        "at": now,
        "accounts": list(_accounts(policy, prometheus.instant(REPORTED, at), now)),
        "limits": [_watched(policy, limit, found[limit.name]) for limit in LIMITS],
    }


def say_what_was_told(found: Current, about: Set[str]) -> None:
    """Whether an alert is open about what is past a threshold; ``about`` has all risk_ids."""
    for limit in found["limits"]:
        for one in limit["values"]:
            if one["beyond"] is not None:
                one["told"] = one["risk_id"] in about


def thresholds(policy: Policy, limit: Limit) -> list[Threshold]:
    """Where each tier begins and clears, mildest first."""
    return [
        {
            "tier": spec.tier.value,
            "alertname": spec.name,
            "severity": spec.severity.value,
            "action": spec.action.value,
            "threshold": bound(policy, limit, spec),
            "clears_at": clear_level(policy, limit, spec),
        }
        for spec in limit.alerts
    ]


def _watched(policy: Policy, limit: Limit, values: list[Measured]) -> Watched:
    return {
        "limit": limit.name,
        "title": limit.title,
        "category": limit.category.value,
        "unit": limit.unit.kind.value,
        "side": limit.side.name.lower(),
        "thresholds": thresholds(policy, limit),
        "values": sorted(
            values, key=lambda one: -math.inf if one["used"] is None else -one["used"]
        ),
    }


def _measured(policy: Policy, limit: Limit, found: Mapping[str, str], value: float) -> Measured:
    beyond = [spec for spec in limit.alerts if _is_beyond(limit, value, bound(policy, limit, spec))]
    ahead = [spec for spec in limit.alerts if spec not in beyond]
    following = ahead[0] if ahead else limit.alerts[-1]
    return {
        "risk_id": found.get(labels.RISK_ID, ""),
        "about": {name: found.get(name, "") for name in limit.identity},
        "value": value if math.isfinite(value) else None,
        "beyond": beyond[-1].tier.value if beyond else None,
        "next": ahead[0].tier.value if ahead else None,
        "used": _used(policy, limit, following, value),
        "told": None,
    }


def _is_beyond(limit: Limit, value: float, level: float) -> bool:
    distance = (value - level) * limit.side.sign
    return distance >= 0 if limit.inclusive else distance > 0


def _used(policy: Policy, limit: Limit, following: AlertSpec, value: float) -> float | None:
    """How much of the way to the next threshold is gone; 1 is there.

    Where small values are dangerous and thresholds are no losses, as with margin, it is what of
    the threshold the value still covers, the other way round.
    """
    level = bound(policy, limit, following)
    if not math.isfinite(value) or level == 0:
        return None
    if limit.side is Side.BELOW and level > 0:
        return round(level / value, 6) if value > 0 else None
    return round(max(0.0, value / level), 6)


def _accounts(policy: Policy, samples: Iterable[Sample], now: float) -> Iterable[Account]:
    patience = policy.alerting.system.snapshot_stale_seconds
    for sample in samples:
        reported = sample.value
        age = now - reported
        is_time = math.isfinite(reported)  # JSON has no other numbers
        yield {
            "account": sample.labels.get(_ACCOUNT, ""),
            "reported_at": reported if is_time else None,
            "age_seconds": round(age, 3) if is_time else None,
            "stale": not (is_time and age <= patience),
        }
