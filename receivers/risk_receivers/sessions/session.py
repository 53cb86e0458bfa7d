"""A session as it is kept, and its token, of which only a hash is."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_ID_BYTES: Final = 6
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Session:
    """That somebody is logged in.

    Attributes:
        id: what it is called on record; it opens nothing.
        name: of the user.
        rests_on: when what it rests on was changed last, as of the log-in.
        began_ns: when it began, on the clock of the sessions.
        csrf_token: what a page of ours knows, and no other.
    """

    id: str
    name: str
    rests_on: datetime
    began_at: datetime
    began_ns: int
    address: str
    csrf_token: str


def new_id() -> str:
    """What a session is called."""
    return secrets.token_hex(_ID_BYTES)


def new_token() -> str:
    """256 random bits: nobody guesses them, so their hash needs no salt."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: bytes) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token).digest()
