"""What an alert is, in words: from the same policy and the same rules that Prometheus runs.

Pure: which series to ask Prometheus for is said here, asking is the command's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from risk_policy import response, second_way
from risk_policy.audience import Told, told, waits
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side
from risk_policy.catalogue.system import WATCHDOG, SystemAlert
from risk_policy.contracts import limit_alert
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.spoken import ago, listed, spoken
from risk_policy.unanswered import Step, timeline
from risk_policy.vocabulary import Action, Category, Severity, Tier
from risk_rules.explain.acknowledging import acknowledgement, command
from risk_rules.explain.drawing import draw
from risk_rules.explain.explanation import Explanation, Rising, Watched
from risk_rules.explain.finding import UnknownAlertError, find
from risk_rules.explain.own_rules import rules_of
from risk_rules.explain.readings import Asked, Reading, Sample, queries, readings
from risk_rules.explain.rising import rising
from risk_rules.groups import rule_files
from risk_rules.keys import CLEAR_KEY, setting, system_keys
from risk_rules.timing import confirmation_seconds

_SIDES: Final = {Side.ABOVE: "rises above", Side.BELOW: "falls below"}
_REACHES: Final = {Side.ABOVE: "rises to", Side.BELOW: "falls to"}


def explain(policy: Policy, name: str) -> Explanation:
    """Everything there is to know about an alert. Raises UnknownAlertError."""
    match find(name):
        case SystemAlert() as alert:
            return _system(policy, alert)
        case limit, spec:
            return _limit(policy, limit, spec)


def _limit(policy: Policy, limit: Limit, spec: AlertSpec) -> Explanation:
    wait = confirmation_seconds(policy, spec.tier)
    steps = timeline(policy, spec.name, spec.severity, wait, escalates=True)
    threshold = shown(limit.unit.kind, limit_alert.bound(policy, limit, spec))
    rose = rising(policy, limit, spec)
    verb = (_REACHES if limit.inclusive else _SIDES)[limit.side]
    position = limit.alerts.index(spec) + 1
    tiers = tuple(each.tier for each in limit.alerts)
    return Explanation(
        name=spec.name,
        title=spec.summary.replace("{subject}", "…"),
        limit=limit.name,
        tier=spec.tier.value,
        severity=spec.severity.value,
        category=limit.category.value,
        layer=limit.layer.value,
        action=spec.action.value,
        meaning=spec.meaning,
        advice=spec.advice,
        runbook=policy.alerting.runbooks.base_url + spec.name,
        watched=Watched(
            f"{limit.title} of each {listed(limit.identity)}. {limit.metric.help}",
            f"Fires when it {verb} {threshold}{_lasting(wait)}",
            threshold,
            shown(limit.unit.kind, limit_alert.clear_level(policy, limit, spec)),
            _settings(policy, (spec.threshold, CLEAR_KEY, *_lane_keys(spec.action))),
        ),
        told=_told(policy, (spec, limit.category), steps, rose),
        waits=tuple(waits(policy, spec.severity, limit.category)),
        timeline=steps,
        rising=rose,
        acknowledgement=acknowledgement(
            policy, limit.name, limit.identity, tiers[:position], tiers[position:]
        ),
        system=response.to_limit(policy, limit, spec),
        rules=_rules(policy, spec.name, limit),
    )  # fmt: skip


def _system(policy: Policy, alert: SystemAlert) -> Explanation:
    wait = policy.number(alert.duration) if alert.duration else 0.0
    steps = timeline(policy, alert.name, alert.severity, wait, escalates=alert.escalates)
    tiers = (Tier(alert.severity),) if alert.severity.value in set(Tier) else ()
    heard, told_of = alert not in second_way.ALERTS, alert is not WATCHDOG
    quiet = acknowledgement(policy, alert.limit, alert.identity, tiers, ())
    return Explanation(
        name=alert.name,
        title=alert.summary.replace("{subject}", "…"),
        limit=alert.limit,
        tier=tiers[0].value if tiers else "",
        severity=alert.severity.value,
        category=alert.category.value,
        layer=alert.layer.value,
        action=alert.action_under(policy).value,
        meaning=alert.meaning,
        advice=alert.advice,
        runbook=policy.alerting.runbooks.base_url + alert.name,
        watched=Watched(
            alert.summary.replace("{subject}", "…") + ".",
            "Fires always, on purpose." if alert is WATCHDOG
            else f"Fires while that is so{_lasting(wait)}",
            settings=_settings(policy, system_keys(alert)),
        ),
        told=_told(policy, (alert, alert.category), steps, ()) if told_of else (),
        waits=tuple(waits(policy, alert.severity, alert.category)) if heard and told_of else (),
        timeline=steps,
        rising=(),
        acknowledgement=quiet if heard else replace(quiet, own=""),
        system=response.to_system(policy, alert),
        rules=_rules(policy, alert.name),
    )  # fmt: skip


def _told(
    policy: Policy,
    found: tuple[AlertSpec | SystemAlert, Category],
    steps: tuple[Step, ...],
    rose: tuple[Rising, ...],
) -> tuple[Told, ...]:
    """Every severity it can count as, the mildest first."""
    alert, category = found
    action = alert.action_under(policy) if isinstance(alert, SystemAlert) else alert.action
    every = {alert.severity, *(Severity(step.severity) for step in steps)}
    every |= {Severity(each.severity) for each in rose if each.severity}
    return tuple(
        told(policy, each, category, action, alert.name)
        for each in sorted(every, key=lambda each: each.rank)
    )


def _settings(policy: Policy, keys: tuple[str, ...]) -> dict[str, str]:
    """Policy keys with what they are set to."""
    return {key: setting(policy, key) for key in keys}


def _lasting(seconds: float) -> str:
    if not seconds:
        return ", at the first evaluation that sees it."
    return f" and has done so for {spoken(seconds)} without a break."


def _lane_keys(action: Action) -> tuple[str, ...]:
    lane = "alerting.fast_lane"
    return (f"{lane}.enabled", f"{lane}.confirm_snapshots") if action.trips_kill_switch else ()


def _rules(policy: Policy, name: str, limit: Limit = LIMITS[0]) -> dict[str, str]:
    # To make the rules of all limits takes long, and those of no limit come with any.
    return rules_of(rule_files(policy, (limit,)), name)


__all__ = [
    "Asked",
    "Explanation",
    "Reading",
    "Sample",
    "UnknownAlertError",
    "ago",
    "command",
    "draw",
    "explain",
    "find",
    "queries",
    "readings",
    "rules_of",
    "spoken",
]
