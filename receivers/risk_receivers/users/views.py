"""The API of the people who may log in: make, change, shut out, remove; who is logged in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_policy.vocabulary import Role
from risk_receivers.access import Access
from risk_receivers.caller import actor, address, caller, problem
from risk_receivers.errors import ReceiversError
from risk_receivers.kill.second_factor import WRONG_CODE
from risk_receivers.schema import optional_text, to_text
from risk_receivers.sessions.book import Seen, Sessions
from risk_receivers.sessions.log_ins import put_ends_on_record
from risk_receivers.shapes import users as shapes
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.tokens.registry import Doing
from risk_receivers.users.authenticators import Authenticators
from risk_receivers.users.book import UserBook
from risk_receivers.users.fresh_code import FreshCode
from risk_receivers.users.hasher import BusyError, Hasher
from risk_receivers.users.own_password import OwnPassword, PasswordStaysError
from risk_receivers.users.passwords import MOST_LENGTH, fault_of
from risk_receivers.users.registry import (
    NoSuchUserError,
    UserExistsError,
    UserRegistry,
    WrongCodeError,
)
from risk_receivers.users.seal import SealError
from risk_receivers.users.user import FitName, User

_HASHING_SECONDS: Final = 30.0
_CODES: Final = {NoSuchUserError: 404, UserExistsError: 409, WrongCodeError: 409, SealError: 500}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UserParts:
    """What these views speak for."""

    registry: UserRegistry
    users: UserBook
    authenticators: Authenticators
    sessions: Sessions
    hasher: Hasher
    writer: Writer
    fresh_code: FreshCode
    own_password: OwnPassword


_Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)]
_Password = Annotated[str, Field(max_length=MOST_LENGTH)]
_Code = Annotated[str, Field(max_length=20)]
_Roles = Annotated[list[Role], Field(min_length=1)]


class UserOrder(BaseModel):
    """Who orders something about a user; ``totp`` is a code of their own authenticator."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    actor: OperatorName
    reason: _Reason = ""
    totp: _Code = ""


class AddUserRequest(UserOrder):
    """A new user."""

    name: FitName
    roles: _Roles
    password: _Password


class PasswordRequest(UserOrder):
    """Another password."""

    password: _Password


class OwnPasswordRequest(BaseModel):
    """Another password for whoever is logged in; ``totp`` is a code of their authenticator."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    old: _Password
    new: _Password
    totp: _Code = ""


class RolesRequest(UserOrder):
    """Other roles."""

    roles: _Roles


class AuthenticatorRequest(UserOrder):
    """An authenticator; without a ``code`` of it, a new secret for one."""

    code: _Code = ""


def user_views(parts: UserParts, access: Access) -> Blueprint:
    """The views."""
    api = Blueprint("users", __name__, url_prefix="/api/v1")

    def order(kind: type[BaseModel]) -> Any:
        return kind.model_validate_json(request.get_data(cache=False))

    def may_not(body: UserOrder, roles: Sequence[Role] = ()) -> Response | None:
        """Nobody makes more of themselves, or of others, and who has an authenticator shows it."""
        permissions = access.permissions
        if missing := permissions.of(roles) - permissions.of(caller().roles):
            refusal = access.refuse(caller(), address(), request.path, *sorted(missing))
            return problem(refusal.code, refusal.error)
        if not parts.fresh_code.is_good(caller(), body.totp):
            return problem(403, WRONG_CODE, needs_totp=True)
        return None

    def about(name: str) -> Sequence[Role]:
        """Whoever changes somebody who may more could become them."""
        user = parts.users.known(name)
        return () if user is None else user.roles

    def failed(error: ReceiversError) -> Response:
        return problem(_CODES[type(error)], str(error))

    for failure in _CODES:
        api.register_error_handler(failure, failed)

    def hashed(password: str) -> str:
        try:
            return parts.hasher.hash(password).result(_HASHING_SECONDS)
        except TimeoutError as error:
            raise BusyError("the machine is too busy to hash a password; try again") from error

    @api.errorhandler(BusyError)
    def busy(error: BusyError) -> Response:
        answer = problem(503, str(error))
        answer.headers["Retry-After"] = "2"
        return answer

    @api.get("/users")
    def listing() -> Response:
        return jsonify(users=[_view(user, parts) for user in parts.users.all()])

    @api.post("/users")
    def add() -> Response:
        body: AddUserRequest = order(AddUserRequest)
        if refusal := may_not(body, body.roles):
            return refusal
        if fault := fault_of(body.password, body.name):
            return problem(400, f"password: {fault}")
        roles = [role for role in Role if role in body.roles]
        user = parts.registry.add(body.name, roles, hashed(body.password), _doing(body))
        return jsonify(**_view(user, parts))

    @api.put("/users/<name>/password")
    def password(name: str) -> Response:
        body: PasswordRequest = order(PasswordRequest)
        if refusal := may_not(body, about(name)):
            return refusal
        if fault := fault_of(body.password, name):
            return problem(400, f"password: {fault}")
        user = parts.registry.set_password(name, hashed(body.password), _doing(body))
        return jsonify(**_view(user, parts))

    @api.put("/session/password")
    def own_password() -> Response:
        body: OwnPasswordRequest = order(OwnPasswordRequest)
        try:
            changed = parts.own_password.change(caller(), address(), body.old, body.new, body.totp)
        except PasswordStaysError as error:
            more = {"needs_totp": True} if error.needs_totp else {}
            refusal = problem(error.code, str(error), **more)
            if error.retry_after_seconds is not None:
                refusal.headers["Retry-After"] = str(error.retry_after_seconds)
            return refusal
        done: shapes.OwnPasswordChanged = {
            "name": changed.session.name,
            "csrf_token": changed.session.csrf_token,
            "ended": changed.ended,
        }
        answer = jsonify(done)
        answer.headers.add(*changed.cookie)
        return answer

    @api.put("/users/<name>/roles")
    def roles(name: str) -> Response:
        body: RolesRequest = order(RolesRequest)
        if refusal := may_not(body, (*about(name), *body.roles)):
            return refusal
        wanted = [role for role in Role if role in body.roles]
        return jsonify(**_view(parts.registry.set_roles(name, wanted, _doing(body)), parts))

    @api.post("/users/<name>/totp")
    def authenticator(name: str) -> Response:
        body: AuthenticatorRequest = order(AuthenticatorRequest)
        if refusal := may_not(body, about(name)):
            return refusal
        if parts.users.known(name) is None:
            raise NoSuchUserError(f"there is no user named {name}")
        if body.code:
            user = parts.registry.confirm_totp(name, body.code, _doing(body))
            return jsonify(**_view(user, parts))
        return jsonify(name=name, uri=parts.authenticators.propose(name))

    @api.delete("/users/<name>/totp")
    def no_authenticator(name: str) -> Response:
        body: UserOrder = order(UserOrder)
        if refusal := may_not(body, about(name)):
            return refusal
        return jsonify(**_view(parts.registry.drop_totp(name, _doing(body)), parts))

    def at_once(name: str, how: Callable[[str, Doing], User], now: str) -> Response:
        """What takes effect whatever the store does."""
        body: UserOrder = order(UserOrder)
        if refusal := may_not(body, about(name)):
            return refusal
        try:
            user = how(name, _doing(body))
        except StoreError as error:
            _log.error("that %s is %s is not on record: %s", name, now, error)
            return problem(
                503,
                f"{name} is out, but that is not on record, and a restart would forget it: ask "
                "again as soon as the store records",
            )
        return jsonify(**_view(user, parts))

    @api.post("/users/<name>/disable")
    def disable(name: str) -> Response:
        return at_once(name, parts.registry.disable, "disabled")

    @api.delete("/users/<name>")
    def remove(name: str) -> Response:
        return at_once(name, parts.registry.remove, "removed")

    @api.post("/users/<name>/enable")
    def enable(name: str) -> Response:
        body: UserOrder = order(UserOrder)
        if refusal := may_not(body, about(name)):
            return refusal
        return jsonify(**_view(parts.registry.enable(name, _doing(body)), parts))

    @api.get("/users/<name>/sessions")
    def sessions(name: str) -> Response:
        return jsonify(sessions=[_session(seen) for seen in parts.sessions.all(name)])

    @api.delete("/users/<name>/sessions")
    def log_out(name: str) -> Response:
        body: UserOrder = order(UserOrder)
        if refusal := may_not(body, about(name)):
            return refusal
        if parts.users.known(name) is None:
            raise NoSuchUserError(f"there is no user named {name}")
        ended = parts.sessions.end_all(name)
        by = actor(body.actor)
        put_ends_on_record(parts.writer, ended, by, address(), f"logged out by {by}")
        return jsonify(name=name, ended=len(ended))

    return api


def _doing(body: UserOrder) -> Doing:
    return Doing(actor(body.actor), caller().name, address(), body.reason)


def _view(user: User, parts: UserParts) -> shapes.User:
    """All but what opens anything."""
    is_out = parts.users.known(user.name) is not None and parts.users.find(user.name) is None
    return {
        "name": user.name,
        "roles": [*user.roles],
        "created_at": to_text(user.created_at),
        "created_by": user.created_by,
        "disabled": is_out or user.disabled_at is not None,
        "disabled_at": optional_text(user.disabled_at),
        "has_totp": user.sealed_totp is not None,
        "last_login_at": optional_text(user.last_login_at),
        "sessions": len(parts.sessions.all(user.name)),
    }


def _session(seen: Seen) -> shapes.Session:
    return {
        "id": seen.session.id,
        "began_at": to_text(seen.session.began_at),
        "address": seen.session.address,
        "unused_seconds": round(seen.unused_seconds),
    }
