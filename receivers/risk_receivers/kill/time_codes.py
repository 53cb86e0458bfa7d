"""The second factor: a code of RFC 6238 that an authenticator shows, good once.

It fails towards refusing. The step of the latest code that was taken is kept with the record, so
that a code somebody saw over a shoulder is none any more, after a restart neither. After a few
wrong ones none is taken until the authenticator shows the next: six digits would not be many
otherwise.
"""

from __future__ import annotations

import binascii
import hmac
from datetime import datetime
from typing import Final

import pyotp

from risk_policy import UnsetVariableError
from risk_policy.environment import Secret
from risk_receivers.errors import StartError
from risk_receivers.facts import fact, forget_fact, keep_fact
from risk_receivers.store.writer import Transaction

#: Steps of 30 s by which the authenticator's clock may be off, either way.
_DRIFT: Final = 1
#: 128 bits, as RFC 4226 asks for at least.
_LEAST_CHARACTERS: Final = 26
#: Slips of the hand within one step. Guessing at that pace takes weeks, and each is on record.
_MOST_WRONG: Final = 3
#: Under which the step of the latest code is kept: of the policy's secret, and of somebody's own.
_FACT: Final = "totp_step"
_KEY: Final = "alerting.auth.totp_secret"


class TimeCodes:
    """Checks codes against one secret."""

    def __init__(self, secret: str, whose: str = "") -> None:
        """``whose`` authenticator has it; nobody's is the policy's. Raises StartError if the
        secret is none.
        """
        secret = "".join(secret.split()).rstrip("=").upper()
        if len(secret) < _LEAST_CHARACTERS:
            raise StartError(f"{_KEY}: needs {_LEAST_CHARACTERS} characters of base32 at least")
        try:
            self._totp = pyotp.TOTP(secret)
            self._totp.generate_otp(0)
        except (binascii.Error, ValueError) as error:
            raise StartError(f"{_KEY}: is not base32") from error
        self._fact = f"{_FACT}:{whose}" if whose else _FACT
        self._stopping, self._taking = _Wrong(), _Wrong()

    @classmethod
    def from_policy(cls, secret: Secret, *, needed: bool) -> TimeCodes | None:
        """None where the policy does not ask for codes. Raises StartError."""
        if not needed:
            return None
        try:
            return cls(secret.reveal())
        except UnsetVariableError as error:
            raise StartError(f"{_KEY}: {error}") from error

    def is_shown(self, code: str, at: datetime) -> bool:
        """Whether the authenticator shows it. It is good for more: what it is asked for stops.

        Who guesses elsewhere does not use up the tries of whoever stops something.
        """
        return self._step(code, at, self._stopping) is not None

    def is_likely(self, code: str, at: datetime) -> bool:
        """Whether :meth:`take` would not find it wrong; it may have been used. Asks no store."""
        return self._step(code, at, self._taking) is not None

    def take(self, transaction: Transaction, code: str) -> bool:
        """Whether a code is good now; from then on it is not any more."""
        step = self._step(code, transaction.now, self._taking)
        connection = transaction.connection
        if step is None or step <= int(fact(connection, self._fact) or -1):
            return False
        keep_fact(connection, self._fact, str(step))
        return True

    def begin_anew(self, transaction: Transaction) -> None:
        """The secret is a new one, of which no code was taken. Else a clock that once was ahead
        would keep every code of every secret from being good until it is as late again.
        """
        forget_fact(transaction.connection, self._fact)

    def _step(self, code: str, at: datetime, wrong: _Wrong) -> int | None:
        """Which of the steps near this moment a code is of, unless somebody guesses."""
        now = self._totp.timecode(at)
        code = code.strip()
        if not code or wrong.within(now) >= _MOST_WRONG:
            return None
        found = None
        for step in range(now - _DRIFT, now + _DRIFT + 1):  # all of them: time tells nothing
            expected = self._totp.generate_otp(step).encode()
            if hmac.compare_digest(expected, code.encode()):
                found = step
        if found is None:
            wrong.one_more(now)
        return found


class _Wrong:
    """Wrong codes within the present step."""

    def __init__(self) -> None:
        self._step = self._count = 0

    def within(self, step: int) -> int:
        return self._count if self._step == step else 0

    def one_more(self, step: int) -> None:
        self._step, self._count = step, self.within(step) + 1
