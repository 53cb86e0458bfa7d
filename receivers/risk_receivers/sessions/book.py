"""The sessions: asked at every request, and never waiting for anything.

They are in memory alone. A restart ends them all, and that is meant: no copy of the data folder
holds a session, what ended one cannot be undone by a backup, and a request writes nothing. Whoever
must get in while the service restarts has a token.

A session is over once it was not used for some time, or is too old however much it was used; and at
once when its user is disabled or removed, or has another password, other roles or another
authenticator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.gate import now_ns
from risk_receivers.sessions.session import Session, digest_of, new_token
from risk_receivers.users.book import UserBook
from risk_receivers.users.user import User

_SECOND: Final = 1_000_000_000
#: Of one user. Who logs in once more is no longer logged in where they were for longest.
MOST_OF_ONE: Final = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """A session that is good, and when it was used last."""

    session: Session
    user: User
    unused_seconds: float


class Sessions:
    """Thread-safe; readers take no lock."""

    def __init__(
        self,
        users: UserBook,
        *,
        idle_seconds: float,
        most_seconds: float,
        clock: Callable[[], int] = now_ns,
        wall_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """``clock`` counts nanoseconds, and nobody sets it."""
        self.most_seconds: Final = most_seconds
        self._users = users
        self._idle_ns = round(idle_seconds * _SECOND)
        self._most_ns = round(most_seconds * _SECOND)
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._by_digest: dict[bytes, Session] = {}
        self._used_ns: dict[bytes, int] = {}

    def begin(self, number: str, user: User, address: str) -> tuple[Session, str]:
        """Somebody logged in; their session and its token, told this once."""
        token, now = new_token(), self._clock()
        session = Session(
            *(number, user.name, user.changed_at, self._wall_clock(), now, address),
            csrf_token=new_token(),
        )
        digest = digest_of(token.encode())
        with self._lock:
            self._sweep(now)
            own = [key for key, one in self._by_digest.items() if one.name == user.name]
            for key in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
                self._forget(key)
            self._used_ns[digest] = now
            self._by_digest[digest] = session
        return session, token

    def find(self, token: bytes, *, is_use: bool = True) -> tuple[Session, User] | None:
        """Whose session a token is of, if it is good; use keeps it so."""
        digest = digest_of(token)
        session = self._by_digest.get(digest)
        if session is None:
            return None
        now = self._clock()
        user = self._good(digest, session, now)
        if user is None:
            return None
        if is_use:
            self._used_ns[digest] = now
        return session, user

    def renew(self, number: str, before: User, after: User) -> tuple[Session, str] | None:
        """What a session rests on was changed by whoever has it: it goes on as long as it would
        have, by another token, and nothing that was known of it opens anything. None if it is over.
        """
        with self._lock:
            for digest, session in list(self._by_digest.items()):
                if session.id != number or session.rests_on != before.changed_at:
                    continue
                self._forget(digest)
                token = new_token()
                renewed = replace(session, rests_on=after.changed_at, csrf_token=new_token())
                self._used_ns[digest_of(token.encode())] = self._clock()
                self._by_digest[digest_of(token.encode())] = renewed
                return renewed, token
        return None

    def end(self, token: bytes) -> Session | None:
        """Somebody logs out; what they were logged in by."""
        with self._lock:
            return self._forget(digest_of(token))

    def end_all(self, name: str) -> list[Session]:
        """Nobody is logged in any more who has this name."""
        with self._lock:
            own = [key for key, one in self._by_digest.items() if one.name == name]
            return [ended for key in own if (ended := self._forget(key)) is not None]

    def all(self, name: str = "") -> list[Seen]:
        """Every good session, or those of somebody."""
        now = self._clock()
        found = []
        for digest, session in list(self._by_digest.items()):
            user = self._good(digest, session, now)
            if user is not None and name in ("", session.name):
                unused = (now - self._used_ns.get(digest, now)) / _SECOND
                found.append(Seen(session, user, unused))
        return found

    def _good(self, digest: bytes, session: Session, now: int) -> User | None:
        """The user, if the session is not over."""
        if now - session.began_ns >= self._most_ns:
            return None
        if now - self._used_ns.get(digest, session.began_ns) >= self._idle_ns:
            return None
        user = self._users.find(session.name)
        if user is None or user.disabled_at is not None or user.changed_at != session.rests_on:
            return None
        return user

    def _sweep(self, now: int) -> None:
        for digest, session in list(self._by_digest.items()):
            if self._good(digest, session, now) is None:
                self._forget(digest)
        # One that ended while somebody used it left this behind.
        for digest in self._used_ns.keys() - self._by_digest.keys():
            del self._used_ns[digest]

    def _forget(self, digest: bytes) -> Session | None:
        session = self._by_digest.pop(digest, None)
        self._used_ns.pop(digest, None)
        return session
