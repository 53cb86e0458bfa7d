"""What the system does about an alert, a sentence each: for runbooks and for ``rules explain``.

It promises nothing that the system does not do: of all actions only those that trip the kill switch
and those that hold the gate are carried out by the machine, the others are asked of people.
"""

from __future__ import annotations

from typing import Final

from risk_policy import restricting, second_way
from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.catalogue.system import WATCHDOG, SystemAlert
from risk_policy.model import Policy
from risk_policy.spoken import spoken
from risk_policy.vocabulary import Action, KillMode

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


def to_limit(policy: Policy, limit: Limit, spec: AlertSpec) -> tuple[str, ...]:
    """What follows from crossing one threshold of a limit."""
    return (
        *_told_at_once(policy, spec.action),
        *_does(policy, (spec.name, spec.action, spec.tier), _held(policy, limit), _RECORD),
    )


def to_system(policy: Policy, alert: SystemAlert) -> tuple[str, ...]:
    """What follows from an alert with a condition of its own."""
    if alert is WATCHDOG:
        return _WATCHDOG
    record = _RECORD if alert not in second_way.ALERTS else _RECORD_LATER
    return _does(policy, (alert.name, alert.action_under(policy), ""), (), record)


def _held(policy: Policy, limit: Limit) -> tuple[str, ...]:
    if not limit.cooldown:
        return ()
    minutes = policy.number(f"{limit.cooldown}.cooldown_minutes")
    start = policy.text(f"{limit.cooldown}.cooldown_from")
    return (f"Keeps it firing until {spoken(minutes * 60)} after the {start} of the breach.",)


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
