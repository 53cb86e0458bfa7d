"""Sidecar mode: snapshots arrive as ``POST /api/v1/snapshot``, closes as ``POST /api/v1/closes``.

Checked in this order: token, size, JSON, fields, time. Nothing of a body is looked at before
its token is known to be right, and no answer repeats what a header held.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, Generic, Protocol, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from risk_exporter.answers import (
    Answer,
    FieldProblem,
    boolean_problems,
    figures,
    json_answer,
    refusal,
    validation_problems,
)
from risk_exporter.errors import Refusal, SnapshotRefusedError, StartError, StateError
from risk_exporter.exporter import RiskExporter
from risk_exporter.history import is_day
from risk_policy import Policy
from risk_policy.contracts.snapshot import Identifier, Snapshot

_Content = TypeVar("_Content")
_SCHEME: Final = "bearer"
_log = logging.getLogger(__name__)


def most_body_bytes(policy: Policy) -> int:
    """Size of the largest body that is read."""
    return int(policy.alerting.intake.max_body_mib * 1024 * 1024)


class Intake(Protocol):
    """Takes one kind of body in."""

    def answer(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> Answer:
        """Take one body in.

        Args:
            authorization: the header as it came.
            content_length: the header as it came.
            read: reads so many bytes of the body.
        """


class TokenDoor(Generic[_Content]):
    """What every body has to pass before anybody acts on it.

    Args:
        refused: hears why a body was refused.
        validate: what a body's JSON means; raises a ValidationError for what means nothing.
        invalid: what is said of one that means nothing.
    """

    def __init__(
        self,
        policy: Policy,
        token: str,
        refused: Callable[[Refusal], None],
        validate: Callable[[object], _Content],
        invalid: str,
    ) -> None:
        if not token.strip():
            raise StartError("the snapshot token is empty; anybody could send snapshots")
        self._token = token.strip().encode()
        self._most_bytes = most_body_bytes(policy)
        self._refused = refused
        self._validate = validate
        self._invalid = invalid

    def content(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> _Content | Answer:
        """What a body means, or the answer that refuses it."""
        early = self._unauthorized(authorization) or self._unreadable(content_length)
        if early is not None:
            return early
        size = int(content_length or 0)
        body = read(size)
        if len(body) < size:
            return self.malformed(f"the body ended after {len(body)} of {size} bytes", [])
        try:
            content: object = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            return self.malformed("the body is not JSON", [FieldProblem("", str(error))])
        problems = boolean_problems(content)
        if not problems:
            try:
                return self._validate(content)
            except ValidationError as error:
                problems = validation_problems(error)
        return self.malformed(self._invalid, problems)

    def malformed(self, error: str, problems: list[FieldProblem]) -> Answer:
        """Refuse a body for what it is made of."""
        self._refused(Refusal.MALFORMED)
        return refusal(HTTPStatus.BAD_REQUEST, error, problems)

    def _unauthorized(self, authorization: str | None) -> Answer | None:
        scheme, _, given = (authorization or "").partition(" ")
        # http.server hands headers over as Latin-1; this gives the bytes back as they came.
        token = given.strip().encode("latin-1", "replace")
        if hmac.compare_digest(token, self._token) and scheme.lower() == _SCHEME:
            return None
        self._refused(Refusal.UNAUTHORIZED)
        return refusal(
            HTTPStatus.UNAUTHORIZED,
            "the snapshot token is missing or wrong; send the header Authorization: Bearer TOKEN "
            "with the token of alerting.auth.snapshot_token",
            WWW_Authenticate="Bearer",
        )

    def _unreadable(self, content_length: str | None) -> Answer | None:
        if content_length is None:
            self._refused(Refusal.MALFORMED)
            return refusal(
                HTTPStatus.LENGTH_REQUIRED, "send the body in one piece with a Content-Length"
            )
        if not (content_length.isascii() and content_length.isdigit()):
            return self.malformed("Content-Length must be a number of bytes", [])
        # Compared by digits first: int() of a very long text is an error of its own.
        if len(content_length) > len(str(self._most_bytes)) + 1 or (
            int(content_length) > self._most_bytes
        ):
            self._refused(Refusal.TOO_LARGE)
            return refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is larger than {self._most_bytes} bytes; split the account, or raise "
                "alerting.intake.max_body_mib",
            )
        return None


class SnapshotIntake:
    """Answers snapshot requests on behalf of an exporter."""

    def __init__(self, exporter: RiskExporter, token: str) -> None:
        self._exporter = exporter
        self._door = TokenDoor(
            exporter.policy,
            token,
            exporter.count_refusal,
            validate=Snapshot.model_validate,
            invalid="the snapshot has invalid fields",
        )

    def answer(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> Answer:
        """Take one snapshot in; the figures it led to."""
        snapshot = self._door.content(authorization, content_length, read)
        if isinstance(snapshot, Answer):
            return snapshot
        try:
            return figures(self._exporter.observe(snapshot))
        except SnapshotRefusedError as error:
            problem = FieldProblem(error.path, str(error))
            return refusal(
                HTTPStatus.CONFLICT, f"the snapshot was refused: {error.reason}", [problem]
            )
        except StateError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _day(text: str) -> str:
    if not is_day(text):
        raise ValueError("is no day; write it as YYYY-MM-DD")
    return text


_CLOSES: Final = TypeAdapter(
    dict[
        Identifier,
        dict[
            Annotated[str, AfterValidator(_day)],
            Annotated[float, Field(gt=0, allow_inf_nan=False)],
        ],
    ]
)


class ClosesIntake:
    """Answers requests that bring daily closes: ``{symbol: {date: close}}``, for every account.

    They are on disk before the answer, so that a restart does not take them back.
    """

    def __init__(self, exporter: RiskExporter, token: str) -> None:
        self._exporter = exporter
        # Only refused snapshots are counted as such; refused closes are no gap in the figures.
        self._door = TokenDoor(
            exporter.policy,
            token,
            lambda reason: _log.warning("closes refused (%s)", reason),
            validate=_CLOSES.validate_python,
            invalid="there are closes that cannot be used",
        )

    def answer(
        self, authorization: str | None, content_length: str | None, read: Callable[[int], bytes]
    ) -> Answer:
        """Take closes in; how many there were."""
        closes = self._door.content(authorization, content_length, read)
        if isinstance(closes, Answer):
            return closes
        count = sum(len(series) for series in closes.values())
        if not count:
            error_text = 'there are no closes; send {"AAPL": {"2026-01-02": 271.01}}'
            return self._door.malformed(error_text, [])
        try:
            self._exporter.seed_market_closes(closes, remember=True)
        except StateError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return json_answer(HTTPStatus.OK, {"symbols": len(closes), "closes": count})
