"""What is answered when something cannot be done: problem details, RFC 9457.

Every one says in ``detail`` what is wrong and what would be right, and never how the service is
made inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

CONTENT_TYPE: Final = "application/problem+json"
#: Of what is answered when all is well.
JSON: Final = "application/json"


def problem_of(code: int, detail: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The document of a status, with whatever else is known about it."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(code).phrase,
        "status": code,
        "detail": detail,
        **(more or {}),
    }
