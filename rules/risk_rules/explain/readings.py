"""How things stand now: what to ask Prometheus for, and what its answers say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.vocabulary import Tier
from risk_rules import promql
from risk_rules.explain.finding import find
from risk_rules.groups import rule_files
from risk_rules.latches import Latch, value_of

#: Of ten thousand positions only the worst are shown.
_SHOWN: Final = 5
_ALERTS: Final = "ALERTS"
_WORST: Final = {Side.ABOVE: "topk", Side.BELOW: "bottomk"}


class Asked(StrEnum):
    """What Prometheus is asked for."""

    VALUE = "value"
    SINCE = "since"
    UNACKED = "unacked"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer, and when it was evaluated."""

    labels: Mapping[str, str]
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How one object stands.

    Attributes:
        value: as people read it; empty if nobody reports it.
        breached_seconds: how long it has been in breach; None if it is not.
        waiting_seconds: how long without an acknowledgement; None if acknowledged or not breached.
        severities: what it fires as now.
    """

    risk_id: str
    value: str
    breached_seconds: float | None
    waiting_seconds: float | None
    severities: tuple[str, ...]


def queries(policy: Policy, name: str) -> dict[Asked, str]:
    """What to ask for. Raises UnknownAlertError."""
    match find(name):
        case SystemAlert() as alert:
            latch = Latch(alert.limit, alert.severity.value)
            wanted = {Asked.FIRING: _firing(alert.name)}
            if alert.measured:
                wanted[Asked.VALUE] = f"topk({_SHOWN}, {_measured(policy, alert)})"
            if not alert.latched or alert.severity.value not in set(Tier):
                return wanted
        case limit, spec:
            latch = Latch(limit.name, spec.tier.value)
            series = promql.series(limit.metric)
            value = f"abs({series})" if limit.absolute else series
            wanted = {
                Asked.VALUE: f"{_WORST[limit.side]}({_SHOWN}, {value})",
                Asked.FIRING: _firing(spec.name),
            }
    return {**wanted, Asked.SINCE: latch.since, Asked.UNACKED: latch.unacked}


def readings(name: str, answers: Mapping[Asked, Sequence[Sample]]) -> tuple[Reading, ...]:
    """Everything the answers name, what is in breach first. Raises UnknownAlertError."""
    found = find(name)
    # Without an identity there is one, and what it measures does not name it.
    only = ""
    if isinstance(found, SystemAlert) and not found.identity:
        only = labels.risk_id(found.limit)
    by_risk = {asked: _by_risk(answers.get(asked, ()), only) for asked in Asked}
    every = dict.fromkeys(risk for asked in Asked for risk in by_risk[asked])
    result = []
    for risk_id in every:
        value = by_risk[Asked.VALUE].get(risk_id, [])
        since, unacked = by_risk[Asked.SINCE].get(risk_id), by_risk[Asked.UNACKED].get(risk_id)
        severities = {
            each.labels.get(labels.SEVERITY, "") for each in by_risk[Asked.FIRING].get(risk_id, ())
        }
        result.append(
            Reading(
                risk_id,
                _value(found, value),
                since[0].at - since[0].value if since else None,
                max(unacked[0].at - unacked[0].value, 0.0) if unacked else None,
                tuple(sorted(severities)),
            )
        )
    return tuple(sorted(result, key=lambda each: each.breached_seconds is None))


def _measured(policy: Policy, alert: SystemAlert) -> str:
    """What an alert about the risk layer itself measures, while it is due."""
    if alert.latched:
        return value_of(alert.limit)
    return next(
        rule.expression
        for groups in rule_files(policy, LIMITS[:1]).values()
        for group in groups
        for rule in group.rules
        if rule.name == alert.name
    )


def _value(found: tuple[Limit, AlertSpec] | SystemAlert, samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    numbers = [each.value for each in samples if not math.isnan(each.value)]
    if not numbers:
        return "not a number"
    if isinstance(found, SystemAlert):
        return shown(found.kind, numbers[0])
    limit, _ = found
    return shown(limit.unit.kind, max(numbers) if limit.side is Side.ABOVE else min(numbers))


def _by_risk(samples: Sequence[Sample], only: str) -> dict[str, list[Sample]]:
    grouped: dict[str, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.labels.get(labels.RISK_ID, only), []).append(sample)
    return grouped


def _firing(name: str) -> str:
    return f'{_ALERTS}{{{labels.ALERTNAME}={promql.quoted(name)},alertstate="firing"}}'
