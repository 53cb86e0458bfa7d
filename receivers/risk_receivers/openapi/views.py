"""``GET /api/v1/openapi.json``."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify

from risk_receivers.openapi.described import ENDPOINTS
from risk_receivers.openapi.document import document


@cache
def the_document() -> dict[str, Any]:
    """It is the same as long as the service runs."""
    return document(ENDPOINTS)


def document_views() -> Blueprint:
    """The view."""
    api = Blueprint("openapi", __name__, url_prefix="/api/v1")

    @api.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(the_document())

    return api
