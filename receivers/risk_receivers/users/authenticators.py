"""Authenticators of people's own: made in two steps, and checked like the policy's.

A secret counts once a code of it was brought: nobody is locked out by a picture that was never
scanned. Until then it is in memory alone, for a few minutes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

import pyotp

from risk_policy.contracts.gate import now_ns
from risk_receivers.errors import StartError
from risk_receivers.kill.second_factor import CodeTaker
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.store.transaction import Transaction
from risk_receivers.users.book import UserBook
from risk_receivers.users.seal import Seal, SealError
from risk_receivers.users.user import User

ISSUER: Final = "Riskwarden"
_LASTING_NS: Final = 10 * 60 * 1_000_000_000
#: Secrets that wait for their first code. Who has more of them made has forgotten the others.
_MOST_WAITING: Final = 16
_log = logging.getLogger(__name__)


class _Refusing:
    """For a secret that cannot be read: no code is right."""

    def is_shown(self, code: str, at: datetime) -> bool:  # noqa: ARG002
        return False

    def is_likely(self, code: str, at: datetime) -> bool:  # noqa: ARG002
        return False

    def take(self, transaction: Transaction, code: str) -> bool:  # noqa: ARG002
        return False


class Authenticators:
    """Whose codes are checked with which secret."""

    def __init__(self, book: UserBook, seal: Seal, clock: Callable[[], int] = now_ns) -> None:
        self._book = book
        self._seal = seal
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[bytes, TimeCodes]] = {}
        self._waiting: dict[str, tuple[int, str, TimeCodes]] = {}

    def of(self, name: str) -> CodeTaker | None:
        """What checks the codes of somebody's; None if they have no authenticator."""
        user = self._book.known(name)
        return None if user is None else self.of_user(user)

    def of_user(self, user: User) -> CodeTaker | None:
        """The same."""
        if user.sealed_totp is None:
            return None
        with self._lock:
            known = self._opened.get(user.name)
        if known is not None and known[0] == user.sealed_totp:
            return known[1]
        try:
            codes = TimeCodes(self._seal.open(user.name, user.sealed_totp), user.name)
        except (SealError, StartError) as error:
            _log.error("no code of %s can be checked, so none is right: %s", user.name, error)
            return _Refusing()
        with self._lock:
            self._opened[user.name] = (user.sealed_totp, codes)
        return codes

    def propose(self, name: str) -> str:
        """A new secret for somebody, as a URI that authenticators read. It does not count yet."""
        secret = pyotp.random_base32()
        with self._lock:
            now = self._clock()
            waiting = {key: one for key, one in self._waiting.items() if now < one[0]}
            waiting.pop(name, None)
            while len(waiting) >= _MOST_WAITING:
                del waiting[next(iter(waiting))]
            waiting[name] = (now + _LASTING_NS, secret, TimeCodes(secret, name))
            self._waiting = waiting
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)

    def proposed(self, name: str) -> tuple[bytes, TimeCodes] | None:
        """What was proposed and still waits for its first code: sealed, and what checks the code.

        Raises SealError.
        """
        with self._lock:
            found = self._waiting.get(name)
        if found is None or self._clock() >= found[0]:
            return None
        return self._seal.seal(name, found[1]), found[2]

    def settled(self, name: str) -> None:
        """Nothing waits for a code of somebody's any more."""
        with self._lock:
            self._waiting.pop(name, None)
