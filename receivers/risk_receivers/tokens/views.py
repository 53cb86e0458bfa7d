"""The API of tokens: make one, list them, revoke one."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from flask import Blueprint, Response, jsonify, request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.clock import utc_now
from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_policy.vocabulary import Role
from risk_receivers.access import Access
from risk_receivers.auth import Key
from risk_receivers.caller import actor, address, caller
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.errors import StoreError
from risk_receivers.tokens.given import GivenToken
from risk_receivers.tokens.registry import Doing, NameTakenError, NoSuchTokenError, Registry

Answer = Response | tuple[Response, int]
#: Small letters alone: Ann and ann are one person.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenParts:
    """What these views speak for.

    Attributes:
        days: how long a token lasts that is made without saying so.
    """

    registry: Registry
    days: int
    most_days: int


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "must be up to 64 characters of a-z, 0-9 and . _ @ + -, beginning with one of the first"
        )
    if name in set(Key):
        raise ValueError("is the name of a token of the policy; choose another")
    return name


_Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)]


class _CreateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, AfterValidator(_name)]
    roles: Annotated[list[Role], Field(min_length=1)]
    actor: OperatorName
    days: Annotated[float | None, Field(gt=0)] = None
    reason: _Reason = ""


class _RevokeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: _Reason = ""


def token_views(parts: TokenParts, access: Access) -> Blueprint:
    """The views."""
    api = Blueprint("tokens", __name__, url_prefix="/api/v1")

    @api.post("/tokens")
    def create() -> Answer:
        body = _CreateRequest.model_validate_json(request.get_data(cache=False))
        days, most = body.days or parts.days, parts.most_days
        if days > most:
            return _error(400, f"days must be at most {most}, as the policy says (most_token_days)")
        # Nobody makes more of themselves by making a token.
        permissions = access.permissions
        if missing := permissions.of(body.roles) - permissions.of(caller().roles):
            refusal = access.refuse(caller(), address(), request.path, *sorted(missing))
            return _error(refusal.code, refusal.error)
        roles = tuple(role for role in Role if role in body.roles)
        doing = _doing(body.actor, body.reason)
        try:
            token, secret = parts.registry.create(body.name, roles, timedelta(days=days), doing)
        except NameTakenError as error:
            return _error(409, str(error))
        answer = jsonify(token=secret, **_view(token))
        answer.headers["Cache-Control"] = "no-store"  # it is told this once
        return answer

    @api.get("/tokens")
    def listing() -> Answer:
        return jsonify(tokens=[_view(token) for token in parts.registry.all()])

    @api.delete("/tokens/<name>")
    def revoke(name: str) -> Answer:
        body = _RevokeRequest.model_validate_json(request.get_data(cache=False))
        try:
            token = parts.registry.revoke(name, _doing(body.actor, body.reason))
        except NoSuchTokenError as error:
            return _error(404, str(error))
        except StoreError as error:
            _log.error("that the token %s was revoked is not on record: %s", name, error)
            return _error(
                503,
                f"{name} is no good any more, but that is not on record, and a restart would "
                "forget it: ask again as soon as the store records",
            )
        return jsonify(**_view(token))

    return api


def _doing(said: str, reason: str) -> Doing:
    return Doing(actor(said), caller().name, address(), reason)


def _view(token: GivenToken) -> dict[str, Any]:
    """All but what it is kept by."""
    return {
        "id": token.id,
        "name": token.name,
        "roles": [*token.roles],
        "created_at": to_text(token.created_at),
        "created_by": token.created_by,
        "expires_at": to_text(token.expires_at),
        "revoked_at": optional_text(token.revoked_at),
        "last_used_at": optional_text(token.last_used_at),
        "fault": token.fault(utc_now()) or None,
    }


def _error(code: int, message: str) -> tuple[Response, int]:
    return jsonify(error=message), code
