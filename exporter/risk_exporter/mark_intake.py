"""``POST /api/v1/high-water-mark``: how an account stands, and resets of its high-water mark.

A reset was recorded by the receivers, with who wanted it and why; this only carries it out. It is
on disk before the answer, and one that was carried out before is answered as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from risk_exporter.answers import Answer, json_answer, refusal
from risk_exporter.errors import ResetRefusedError, StateError, UnknownAccountError
from risk_exporter.exporter import RiskExporter
from risk_exporter.intake import TokenDoor
from risk_policy.contracts.high_water_mark import Wanted

_log = logging.getLogger(__name__)


class MarkIntake:
    """Answers requests about high-water marks on behalf of an exporter."""

    def __init__(self, exporter: RiskExporter, token: str) -> None:
        self._exporter = exporter
        # Only refused snapshots are counted as such; this is no gap in the figures.
        self._door = TokenDoor(
            exporter.policy,
            token,
            lambda reason: _log.warning("a reset of a high-water mark refused (%s)", reason),
            validate=Wanted.model_validate,
            invalid="the request has invalid fields",
        )

    def answer(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> Answer:
        """How the account stands after it."""
        wanted = self._door.content(authorization, content_length, read)
        if isinstance(wanted, Answer):
            return wanted
        try:
            standing = self._exporter.high_water_mark(wanted)
        except UnknownAccountError as error:
            return refusal(HTTPStatus.NOT_FOUND, str(error))
        except ResetRefusedError as error:
            return refusal(HTTPStatus.CONFLICT, str(error))
        except StateError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return json_answer(HTTPStatus.OK, standing.model_dump())
