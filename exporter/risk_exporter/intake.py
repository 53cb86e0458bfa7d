"""Sidecar mode: a snapshot arrives as ``POST /api/v1/snapshot`` and leaves as figures.

Checked in this order: token, size, JSON, fields, time. Nothing of a body is looked at before
its token is known to be right, and no answer repeats what the body or a header held.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError
from pydantic_core import from_json

from risk_exporter.answers import (
    Answer,
    FieldProblem,
    boolean_problems,
    figures,
    refusal,
    validation_problems,
)
from risk_exporter.errors import Refusal, SnapshotRefusedError, StartError, StateError
from risk_exporter.exporter import RiskExporter
from risk_policy import Policy
from risk_policy.contracts.snapshot import Snapshot

_SCHEME: Final = "bearer"


def most_body_bytes(policy: Policy) -> int:
    """Size of the largest body that is read."""
    return int(policy.alerting.intake.max_body_mib * 1024 * 1024)


class SnapshotIntake:
    """Answers snapshot requests on behalf of an exporter."""

    def __init__(self, exporter: RiskExporter, token: str) -> None:
        if not token.strip():
            raise StartError("the snapshot token is empty; anybody could send snapshots")
        self._exporter = exporter
        self._token = token.strip().encode()
        self._most_bytes = most_body_bytes(exporter.policy)

    def answer(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> Answer:
        """Take one snapshot in.

        Args:
            authorization: the header as it came.
            content_length: the header as it came.
            read: reads so many bytes of the body.
        """
        early = self._unauthorized(authorization) or self._unreadable(content_length)
        if early is not None:
            return early
        size = int(content_length or 0)
        body = read(size)
        if len(body) < size:
            return self._malformed(f"the body ended after {len(body)} of {size} bytes", [])
        return self._take(body)

    def _unauthorized(self, authorization: str | None) -> Answer | None:
        scheme, _, given = (authorization or "").partition(" ")
        # http.server hands headers over as Latin-1; this gives the bytes back as they came.
        token = given.strip().encode("latin-1", "replace")
        if hmac.compare_digest(token, self._token) and scheme.lower() == _SCHEME:
            return None
        self._exporter.count_refusal(Refusal.UNAUTHORIZED)
        return refusal(
            HTTPStatus.UNAUTHORIZED,
            "the snapshot token is missing or wrong; send the header Authorization: Bearer TOKEN "
            "with the token of alerting.auth.snapshot_token",
            WWW_Authenticate="Bearer",
        )

    def _unreadable(self, content_length: str | None) -> Answer | None:
        if content_length is None:
            self._exporter.count_refusal(Refusal.MALFORMED)
            return refusal(
                HTTPStatus.LENGTH_REQUIRED, "send the body in one piece with a Content-Length"
            )
        if not (content_length.isascii() and content_length.isdigit()):
            return self._malformed("Content-Length must be a number of bytes", [])
        # Compared by digits first: int() of a very long text is an error of its own.
        if len(content_length) > len(str(self._most_bytes)) + 1 or (
            int(content_length) > self._most_bytes
        ):
            self._exporter.count_refusal(Refusal.TOO_LARGE)
            return refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is larger than {self._most_bytes} bytes; split the account, or raise "
                "alerting.intake.max_body_mib",
            )
        return None

    def _take(self, body: bytes) -> Answer:
        try:
            content = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            return self._malformed("the body is not JSON", [FieldProblem("", str(error))])
        problems = boolean_problems(content)
        if problems:
            return self._malformed("the snapshot has invalid fields", problems)
        try:
            snapshot = Snapshot.model_validate(content)
        except ValidationError as error:
            return self._malformed("the snapshot has invalid fields", validation_problems(error))
        try:
            return figures(self._exporter.observe(snapshot))
        except SnapshotRefusedError as error:
            problem = FieldProblem(error.path, str(error))
            return refusal(
                HTTPStatus.CONFLICT, f"the snapshot was refused: {error.reason}", [problem]
            )
        except StateError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _malformed(self, error: str, problems: list[FieldProblem]) -> Answer:
        self._exporter.count_refusal(Refusal.MALFORMED)
        return refusal(HTTPStatus.BAD_REQUEST, error, problems)
