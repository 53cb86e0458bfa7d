"""What a trip asks of the kill switch while it is not on record: the trigger it pulls. Pure."""

from __future__ import annotations

from typing import Final

from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.kill.switch import Trigger, timeout_of
from risk_receivers.kill.trip import (
    AlertKill,
    OperatorKill,
    SilenceKill,
    SpooledTrip,
    TimeoutKill,
    UnknownKill,
)

OPERATOR_LEVEL: Final = "operator"


def unrecorded_trigger(trip: SpooledTrip, automatic_mode: KillMode) -> Trigger:
    """``automatic_mode`` is what counts where nobody named a mode."""
    over_at = None
    match trip.kill:
        case TimeoutKill():
            return timeout_of(trip.kill_id, trip.received_at)
        case OperatorKill(mode, reason, _):
            cause, level = reason, OPERATOR_LEVEL
        case AlertKill(alert):
            mode, cause, level = automatic_mode, alert.alertname, alert.severity.value
            over_at = None if alert.firing else alert.ends_at
        case SilenceKill(cause):
            mode, level = automatic_mode, Severity.EMERGENCY.value
        case UnknownKill():
            mode, cause, level = UnknownKill.mode, UnknownKill.cause, Severity.EMERGENCY.value
    return Trigger(
        f"spool:{trip.id}",
        trip.kill_id,
        mode,
        cause,
        level,
        trip.received_at,
        by_person=not isinstance(trip.kill, AlertKill | SilenceKill),
        over_at=over_at,
    )
