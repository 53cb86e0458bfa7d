"""The people who may log in, in memory: asked at every request, and never waiting for anything.

It is loaded at the start and follows every commit. Whoever is disabled or removed is that at once,
whatever the store does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from risk_receivers.users.user import User


class UserBook:
    """Thread-safe; readers take no lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: Mapping[str, User] = {}
        self._out: frozenset[str] = frozenset()

    def find(self, name: str) -> User | None:
        """Whoever has this name and is not out."""
        return None if name in self._out else self._by_name.get(name)

    def known(self, name: str) -> User | None:
        """Whoever has this name, out or not."""
        return self._by_name.get(name)

    def all(self) -> list[User]:
        """Everybody, by name."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def is_empty(self) -> bool:
        """Whether there is nobody yet."""
        return not self._by_name

    def put(self, user: User) -> None:
        """Somebody new, or what became of them."""
        with self._lock:
            self._by_name = {**self._by_name, user.name: user}
            if user.disabled_at is None:
                return
            self._out |= {user.name}

    def let_in(self, user: User) -> None:
        """Somebody who was out is not any more."""
        with self._lock:
            self._by_name = {**self._by_name, user.name: user}
            self._out -= {user.name}

    def shut_out(self, name: str) -> None:
        """From now on nobody of this name gets in, whatever is on record."""
        with self._lock:
            self._out |= {name}

    def remove(self, name: str) -> None:
        """Nobody has this name any more."""
        with self._lock:
            self._by_name = {key: user for key, user in self._by_name.items() if key != name}
            self._out -= {name}

    def note_login(self, known: User, at: datetime, rehashed: str | None) -> None:
        """Somebody logged in, as whom they were known then. If they have another password by now
        it is that one: what was hashed anew is the old one.
        """
        with self._lock:
            if (user := self._by_name.get(known.name)) is not None:
                if rehashed is not None and user.changed_at == known.changed_at:
                    user = replace(user, password=rehashed)
                self._by_name = {**self._by_name, known.name: replace(user, last_login_at=at)}
