"""``GET /api/v1/drills``: the last rehearsals, as they stand in the audit chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flask import Blueprint, Response, jsonify

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.query import StoredEvent
from risk_receivers.audit.selection import Selection
from risk_receivers.reading import Reading
from risk_receivers.shapes.system import Drill

_TYPES: Final = frozenset({EventType.DRILL_STARTED.value, EventType.DRILL_ENDED.value})
#: Beginnings and ends.
_MOST_EVENTS: Final = 100
_NEWEST: Final = 2**53 - 1


def drill_views(reading: Reading) -> Blueprint:
    """The view."""
    api = Blueprint("drills", __name__, url_prefix="/api/v1")

    @api.get("/drills")
    def drills() -> Response:
        found = reading.browse(Selection(types=_TYPES), _NEWEST, _MOST_EVENTS, backwards=True)
        return jsonify(drills=drills_of(found.events))

    return api


def drills_of(events: Iterable[StoredEvent]) -> list[Drill]:
    """The drills of events that come the latest first; so do they."""
    found: dict[str, Drill] = {}
    for event in events:
        if event.payload is None:
            continue
        details = event.payload.details
        at = event.recorded_at.isoformat()
        ended = event.event_type is EventType.DRILL_ENDED
        drill = found.setdefault(
            str(details["drill_id"]),
            {
                "id": str(details["drill_id"]),
                "scenario": str(details["scenario"]),
                "environment": str(details["environment"]),
                "started_at": None,
                "ended_at": None,
                "result": None,
                "actor": event.payload.actor_id,
            },
        )
        if ended:
            drill["ended_at"], drill["result"] = at, str(details["result"]) or "FAIL"
        else:
            drill["started_at"] = at
    return list(found.values())
