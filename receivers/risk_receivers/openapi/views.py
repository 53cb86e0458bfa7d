"""``GET /api/v1/openapi.json``."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify


@cache
def the_document() -> dict[str, Any]:
    """It is the same as long as the service runs."""
    # What describes every answer is of use to nothing else, and this is rarely asked for.
    from risk_receivers.openapi.described import ENDPOINTS
    from risk_receivers.openapi.document import document

    return document(ENDPOINTS)


def document_views() -> Blueprint:
    """The view."""
    api = Blueprint("openapi", __name__, url_prefix="/api/v1")

    @api.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(the_document())

    return api
