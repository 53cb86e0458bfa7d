"""What is sent over a stream: one JSON object each, made once for all who listen. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.query import StoredEvent
from risk_receivers.shapes.alerts import Alert

#: Beginnings of the types of events after which the state of the whole is another.
_ABOUT_THE_WHOLE: Final = (
    *("KILL_SWITCH_", "RESTRICTION_", "HIGH_WATER_MARK_", "FEED_", "STORM_", "DRILL_", "SERVICE_"),
    *("NOTIFICATION_FAILED", "CONFIG_CHANGED"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One object.

    Attributes:
        cursor: the seq of the record that it is about, or up to which all is known; None where
            there is nothing to go on from.
        text: as JSON.
    """

    cursor: int | None
    kind: str
    text: str


def frame(kind: str, cursor: int | None = None, **content: object) -> Frame:
    """A frame of a kind."""
    told = {"type": kind, **({} if cursor is None else {"cursor": cursor}), **content}
    return Frame(cursor, kind, json.dumps(told, separators=(",", ":")))


def frame_of(event: StoredEvent, alerts: Mapping[str, Alert]) -> Frame | None:
    """What is told of an event; None if it concerns nobody who watches.

    ``alerts`` are those that it may be about, as they are now.
    """
    payload = event.payload
    if payload is None:
        return None
    told = {
        "seq": event.seq,
        "event_type": str(event.event_type),
        "recorded_at": event.recorded_at.isoformat(),
        "message": payload.message,
        "severity": payload.severity,
        "actor_id": payload.actor_id,
    }
    alert = alerts.get(payload.alert_id or "")
    if alert is not None and event.event_type is not EventType.NOTIFICATION_SENT:
        return frame("alert", event.seq, event=told, alert=alert)
    if str(event.event_type).startswith(_ABOUT_THE_WHOLE):
        return frame("status", event.seq, event=told)
    return None
