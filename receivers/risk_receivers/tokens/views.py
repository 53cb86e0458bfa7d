"""The API of tokens: make one, list them, revoke one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.clock import utc_now
from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_policy.vocabulary import Role
from risk_receivers.access import Access
from risk_receivers.caller import actor, address, caller, problem
from risk_receivers.kill.second_factor import WRONG_CODE
from risk_receivers.schema import optional_text, to_text
from risk_receivers.shapes.tokens import Token
from risk_receivers.store.errors import StoreError
from risk_receivers.tokens.given import GivenToken
from risk_receivers.tokens.registry import Doing, NameTakenError, NoSuchTokenError, Registry
from risk_receivers.users.fresh_code import FreshCode
from risk_receivers.users.user import FitName

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
    fresh_code: FreshCode


_Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)]


class CreateRequest(BaseModel):
    """Make a token."""

    model_config = ConfigDict(extra="forbid")

    name: FitName
    roles: Annotated[list[Role], Field(min_length=1)]
    actor: OperatorName
    days: Annotated[float | None, Field(gt=0)] = None
    reason: _Reason = ""
    totp: Annotated[str, Field(max_length=20)] = ""


class RevokeRequest(BaseModel):
    """Revoke one."""

    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: _Reason = ""
    totp: Annotated[str, Field(max_length=20)] = ""


def token_views(parts: TokenParts, access: Access) -> Blueprint:
    """The views."""
    api = Blueprint("tokens", __name__, url_prefix="/api/v1")

    @api.post("/tokens")
    def create() -> Response:
        body = CreateRequest.model_validate_json(request.get_data(cache=False))
        days, most = body.days or parts.days, parts.most_days
        if days > most:
            return problem(
                400, f"days must be at most {most}, as the policy says (most_token_days)"
            )
        # Nobody makes more of themselves by making a token.
        permissions = access.permissions
        if missing := permissions.of(body.roles) - permissions.of(caller().roles):
            refusal = access.refuse(caller(), address(), request.path, *sorted(missing))
            return problem(refusal.code, refusal.error)
        if not parts.fresh_code.is_good(caller(), body.totp):
            return problem(403, WRONG_CODE, needs_totp=True)
        roles = tuple(role for role in Role if role in body.roles)
        doing = _doing(body.actor, body.reason)
        try:
            token, secret = parts.registry.create(body.name, roles, timedelta(days=days), doing)
        except NameTakenError as error:
            return problem(409, str(error))
        answer = jsonify(token=secret, **_view(token))
        answer.headers["Cache-Control"] = "no-store"  # it is told this once
        return answer

    @api.get("/tokens")
    def listing() -> Response:
        return jsonify(tokens=[_view(token) for token in parts.registry.all()])

    @api.delete("/tokens/<name>")
    def revoke(name: str) -> Response:
        body = RevokeRequest.model_validate_json(request.get_data(cache=False))
        if not parts.fresh_code.is_good(caller(), body.totp):
            return problem(403, WRONG_CODE, needs_totp=True)
        try:
            token = parts.registry.revoke(name, _doing(body.actor, body.reason))
        except NoSuchTokenError as error:
            return problem(404, str(error))
        except StoreError as error:
            _log.error("that the token %s was revoked is not on record: %s", name, error)
            return problem(
                503,
                f"{name} is no good any more, but that is not on record, and a restart would "
                "forget it: ask again as soon as the store records",
            )
        return jsonify(**_view(token))

    return api


def _doing(said: str, reason: str) -> Doing:
    return Doing(actor(said), caller().name, address(), reason)


def _view(token: GivenToken) -> Token:
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
