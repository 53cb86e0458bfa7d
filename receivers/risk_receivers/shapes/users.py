"""People who log in."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


@WHOLE
class Whoami(TypedDict):
    """Who somebody is, and what they may; ``by`` says how that is known."""

    authenticated: bool
    name: str | None
    by: Literal["session", "token"] | None
    roles: list[str]
    permissions: list[str]
    csrf_token: str | None
    began_at: Time | None
    has_totp: bool
    needs_totp: bool
    can_log_in: bool
    advice: str | None


@WHOLE
class User(TypedDict):
    """Somebody who may log in, all but what lets them."""

    name: str
    roles: list[str]
    created_at: Time
    created_by: str
    disabled: bool
    disabled_at: Time | None
    has_totp: bool
    last_login_at: Time | None
    sessions: int


@WHOLE
class OwnPasswordChanged(TypedDict):
    """Somebody has another password, and their session another cookie and this token; ``ended`` is
    how many other sessions of theirs are over.
    """

    name: str
    csrf_token: str
    ended: int


@WHOLE
class Users(TypedDict):
    """Everybody who may log in, or might again."""

    users: list[User]


@WHOLE
class NewAuthenticator(TypedDict):
    """A secret for an authenticator, told this once; it counts after one code of it."""

    name: str
    uri: str


@WHOLE
class Session(TypedDict):
    """That somebody is logged in somewhere."""

    id: str
    began_at: Time
    address: str
    unused_seconds: int


@WHOLE
class Sessions(TypedDict):
    """Where somebody is logged in."""

    sessions: list[Session]


@WHOLE
class Ended(TypedDict):
    """How many sessions of somebody ended."""

    name: str
    ended: int
