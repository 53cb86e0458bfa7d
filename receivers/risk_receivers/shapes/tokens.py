"""Tokens of people."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


@WHOLE
class Token(TypedDict):
    """A token, all but what it is kept by; ``fault`` says why it is no good."""

    id: str
    name: str
    roles: list[str]
    created_at: Time
    created_by: str
    expires_at: Time
    revoked_at: Time | None
    last_used_at: Time | None
    fault: str | None


@WHOLE
class NewToken(Token):
    """A token that was made; ``token`` is told this once."""

    token: str


@WHOLE
class Tokens(TypedDict):
    """All tokens there have been."""

    tokens: list[Token]
