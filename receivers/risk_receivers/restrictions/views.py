"""``GET /api/v1/restrictions``: what alerts hold at the gate, as it is on record. Only reads."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from risk_receivers.reading import Reading
from risk_receivers.restrictions.held import Held, Standing
from risk_receivers.shapes.system import Restriction


def restriction_views(reading: Reading) -> Blueprint:
    """Who may call it stands in the table of access."""
    api = Blueprint("restrictions", __name__, url_prefix="/api/v1")

    @api.get("/restrictions")
    def restrictions() -> Response:
        return jsonify(restrictions=[shown(held) for held in reading.restrictions()])

    return api


def shown(held: Held) -> Restriction:
    """One of them, as the API tells it."""
    return {
        "id": held.id,
        "kind": held.kind.value,
        "scope": str(held.scope),
        "size_ratio": held.size_ratio,
        "cause": held.cause,
        "level": held.level.value,
        "since": held.since.isoformat(),
        "incident": held.incident,
        "standing": held.standing.value,
        "needs_resume": held.latches,
        "can_be_resumed": held.standing is not Standing.FIRING,
    }
