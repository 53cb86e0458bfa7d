"""What a trip means before it is on record: the trigger that it pulls in memory. Pure."""

from __future__ import annotations

from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import Severity
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import own_id
from risk_receivers.kill.switch import Trigger, timeout_of
from risk_receivers.kill.trip import (
    AlertKill,
    OperatorKill,
    SilenceKill,
    SpooledTrip,
    TimeoutKill,
    UnknownKill,
)


def trigger_of(trip: SpooledTrip, automatic: Automatic) -> Trigger:
    """The trigger; the record has another key for it, and the same kill."""
    scope, kill_id, over_at = EVERYTHING, trip.kill_id, None
    match trip.kill:
        case TimeoutKill():
            return timeout_of(trip.kill_id, trip.received_at)
        case OperatorKill(mode, reason) as kill:
            cause, level, scope = reason, kill.level, Scope.parse(kill.scope)
        case AlertKill(alert):
            mode, cause, level = automatic.mode, alert.alertname, alert.severity.value
            scope = automatic.scope_of(alert)
            kill_id = own_id(trip.kill_id, scope)
            over_at = None if alert.firing else alert.ends_at
        case SilenceKill(cause):
            mode, level = automatic.mode, Severity.EMERGENCY.value
        case _:
            mode, cause = UnknownKill.mode, UnknownKill.cause
            level = Severity.EMERGENCY.value
    return Trigger(
        f"spool:{trip.id}",
        kill_id,
        mode,
        cause,
        level,
        trip.received_at,
        by_person=not isinstance(trip.kill, AlertKill | SilenceKill),
        over_at=over_at,
        scope=scope,
    )
