"""A token as it is given to somebody, and what is kept of it: never the token itself.

``rw_<id>_<secret>``: found by its id, and recognisable wherever one leaks. The secret is 256 random
bits, so what is kept is their SHA-256: nobody can guess what was hashed. Argon2 and its kind slow
down guessing passwords that people chose; here they would only let strangers keep the service busy
with every request, a kill's too.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts.operator import GIVEN_TOKEN
from risk_policy.vocabulary import Role

_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(GIVEN_TOKEN.encode())
#: What a token is compared with whose id nobody has: as long as any other's.
NOBODYS_DIGEST: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class GivenToken:
    """What is kept of a token.

    Attributes:
        id: stands in the token.
        name: whose it is; at any time one good token has it.
        digest: of the whole token.
        created_by: the name of who had it made, as it is on record.
    """

    id: str
    name: str
    roles: tuple[Role, ...]
    digest: bytes
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def fault(self, now: datetime) -> str:
        """Why it is no good any more; empty if it is."""
        if self.revoked_at is not None:
            return f"the token {self.name} was revoked"
        if now >= self.expires_at:
            return f"the token {self.name} expired at {self.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        return ""


def new_token() -> tuple[str, str]:
    """An id, and the token that carries it."""
    number = secrets.token_hex(_ID_BYTES)
    return number, f"rw_{number}_{secrets.token_hex(_SECRET_BYTES)}"


def digest_of(token: bytes) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token).digest()


def id_in(token: bytes) -> str:
    """The id that a token carries; empty if it has not the form of one."""
    return token.split(b"_")[1].decode() if _FORM.fullmatch(token) else ""
