"""What an alert is, in words: from the same policy and the same rules that Prometheus runs.

Pure: which series to ask Prometheus for is said here, asking is the command's business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from risk_policy import restricting, second_way
from risk_policy.catalogue.limits import AlertSpec, Limit, Side
from risk_policy.catalogue.system import WATCHDOG, SystemAlert
from risk_policy.contracts import limit_alert
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.vocabulary import Action, Category, KillMode, Severity, Tier
from risk_rules.explain.audience import acknowledgement, command, told, waits
from risk_rules.explain.explanation import Explanation, Rising, Step, Told, Watched
from risk_rules.explain.finding import UnknownAlertError, find
from risk_rules.explain.readings import Asked, Reading, Sample, queries, readings
from risk_rules.explain.rising import rising
from risk_rules.explain.timeline import draw, timeline
from risk_rules.explain.words import ago, listed, spoken
from risk_rules.groups import rule_files
from risk_rules.keys import CLEAR_KEY, setting, system_keys
from risk_rules.rule import AlertRule
from risk_rules.timing import confirmation_seconds

_SIDES: Final = {Side.ABOVE: "rises above", Side.BELOW: "falls below"}
_REACHES: Final = {Side.ABOVE: "rises to", Side.BELOW: "falls to"}
_KILL_MODES: Final = {
    KillMode.PAUSE: "no new entries; what is open is managed on",
    KillMode.GRACEFUL: "what is open closes at its targets, the rest after {timeout}",
    KillMode.IMMEDIATE: "working orders are cancelled and positions closed at once",
}
_RECORD: Final = "Records it in the audit chain and opens an incident, whatever is silenced."
_RECORD_LATER: Final = (
    "Records it in the audit chain and opens an incident once the receivers work again, if it "
    "still fires then."
)
_WATCHDOG: Final = ("Notes when it last arrived, on each feed; no incident is opened for it.",)


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
        system=(
            *_told_at_once(policy, spec.action),
            *_does(policy, (spec.name, spec.action, spec.tier), _held(policy, limit), _RECORD),
        ),
        rules=_rules(policy, spec.name),
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
        system=_WATCHDOG if alert is WATCHDOG
        else _does(policy, (alert.name, alert.action_under(policy), ""), (),
                   _RECORD if heard else _RECORD_LATER),
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


def _held(policy: Policy, limit: Limit) -> tuple[str, ...]:
    if not limit.cooldown:
        return ()
    minutes = policy.number(f"{limit.cooldown}.cooldown_minutes")
    start = policy.text(f"{limit.cooldown}.cooldown_from")
    return (f"Keeps it firing until {spoken(minutes * 60)} after the {start} of the breach.",)


def _lane_keys(action: Action) -> tuple[str, ...]:
    lane = "alerting.fast_lane"
    return (f"{lane}.enabled", f"{lane}.confirm_snapshots") if action.trips_kill_switch else ()


def _told_at_once(policy: Policy, action: Action) -> tuple[str, ...]:
    lane = policy.alerting.fast_lane
    if not (lane.enabled and action.trips_kill_switch):
        return ()
    count = lane.confirm_snapshots
    when = f"{count} snapshots in a row are" if count > 1 else "a snapshot is"
    told = f"The exporter's fast lane raises it as soon as {when} beyond the threshold"
    return (f"{told}, without waiting for Prometheus.",)


def _does(
    policy: Policy, about: tuple[str, Action, str], held: tuple[str, ...], record: str
) -> tuple[str, ...]:
    name, action, tier = about
    if not action.trips_kill_switch:
        if gate := restricting.told(policy, name, action, tier):
            return (record, *held, *gate, "Closes nothing by itself.")
        if action in (Action.LOG, Action.NOTIFY):
            return (record, *held, "Leaves orders and positions alone.")
        asked = action.value.replace("_", " ")
        return (
            record,
            *held,
            f"Asks for: {asked}. Leaves orders and positions alone: that is up to people.",
        )
    kill = policy.alerting.kill_switch
    closing = _KILL_MODES[kill.mode].format(timeout=spoken(kill.graceful_timeout_minutes * 60))
    return (
        record,
        *held,
        f"Trips the kill switch in mode {kill.mode}: the gate refuses new risk, {closing}.",
        "Stays tripped, also when this resolves, until an authorised person clears it.",
    )


def _rules(policy: Policy, name: str) -> dict[str, str]:
    """The alert's own rules, its escalations, and the recorded series they stand on."""
    found: dict[str, str] = {}
    for groups in rule_files(policy).values():
        rules = [rule for group in groups for rule in group.rules]
        own = [rule for rule in rules if isinstance(rule, AlertRule) and rule.name == name]
        if not own:
            continue
        about = {(rule.labels.get("limit"), rule.labels.get("tier")) for rule in own}
        for rule in rules:
            named = (rule.labels.get("limit"), rule.labels.get("tier"))
            if isinstance(rule, AlertRule):
                if rule.name == name:
                    severity, why = rule.labels["severity"], rule.labels["escalation"]
                    found[f"alert {severity}" + ("" if why == "none" else f" by {why}")] = (
                        rule.expression
                    )
            elif named in about or (named[1] is None and named[0] in {each for each, _ in about}):
                found[f"record {rule.name}"] = rule.expression
    return found


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
    "spoken",
]
