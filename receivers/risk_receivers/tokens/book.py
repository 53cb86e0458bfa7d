"""The tokens that were given, in memory: asked at every request, and never waiting for anything.

It is loaded at the start and follows every commit. A token that was revoked, or whose time is over,
is no good from the very next request on.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from risk_policy.clock import utc_now
from risk_receivers.tokens.given import NOBODYS_DIGEST, GivenToken, digest_of, id_in


@dataclass(frozen=True, slots=True)
class Unfit:
    """A genuine token that is no good any more, and why."""

    token: GivenToken
    why: str


class Book:
    """Thread-safe; readers take no lock."""

    def __init__(
        self, tokens: Iterable[GivenToken] = (), clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: Mapping[str, GivenToken] = {token.id: token for token in tokens}
        self._used: dict[str, datetime] = {}

    def find(self, token: bytes) -> GivenToken | Unfit | None:
        """The entry of a token; None if it is nobody's."""
        found = self._by_id.get(id_in(token))
        # An id that nobody has takes as long as a wrong secret.
        expected = NOBODYS_DIGEST if found is None else found.digest
        if not hmac.compare_digest(digest_of(token), expected) or found is None:
            return None
        now = self._clock()
        if why := found.fault(now):
            return Unfit(found, why)
        self._used[found.id] = now
        return found

    def put(self, token: GivenToken) -> None:
        """A new token, or what became of one. Nothing makes a revoked one good again."""
        with self._lock:
            known = self._by_id.get(token.id)
            if known is not None and token.revoked_at is None:
                token = replace(token, revoked_at=known.revoked_at)
            self._by_id = {**self._by_id, token.id: token}

    def standing(self, name: str) -> GivenToken | None:
        """The good token of that name."""
        now = self._clock()
        return next((t for t in self._by_id.values() if t.name == name and not t.fault(now)), None)

    def all(self) -> list[GivenToken]:
        """Every token there was, the latest first, with when it was used last."""
        used = dict(self._used)
        found = [
            replace(token, last_used_at=used.get(token.id, token.last_used_at))
            for token in self._by_id.values()
        ]
        return sorted(found, key=lambda token: token.created_at, reverse=True)

    def take_uses(self) -> dict[str, datetime]:
        """When which token was used last, since somebody asked."""
        with self._lock:
            taken, self._used = self._used, {}
            self._by_id = {
                number: replace(token, last_used_at=taken.get(number, token.last_used_at))
                for number, token in self._by_id.items()
            }
        return taken
