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
from risk_receivers.facts import fact, keep_fact
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
        self._wrong = (0, 0)  # in which step there were how many

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
        """Whether the authenticator shows it. It is good for more: what it is asked for stops."""
        now = self._totp.timecode(at)
        if not code.strip() or self._is_guessing(now):
            return False
        if self._step_of(code, now) is None:
            self._wrong = (now, self._wrong_in(now) + 1)
            return False
        return True

    def take(self, transaction: Transaction, code: str) -> bool:
        """Whether a code is good now; from then on it is not any more."""
        now = self._totp.timecode(transaction.now)
        if not code.strip() or self._is_guessing(now):
            return False
        step = self._step_of(code, now)
        if step is None:
            self._wrong = (now, self._wrong_in(now) + 1)
            return False
        connection = transaction.connection
        if step <= int(fact(connection, self._fact) or -1):
            return False
        keep_fact(connection, self._fact, str(step))
        return True

    def _wrong_in(self, step: int) -> int:
        return self._wrong[1] if self._wrong[0] == step else 0

    def _is_guessing(self, step: int) -> bool:
        return self._wrong_in(step) >= _MOST_WRONG

    def _step_of(self, code: str, now: int) -> int | None:
        found = None
        for step in range(now - _DRIFT, now + _DRIFT + 1):  # all of them: time tells nothing
            expected = self._totp.generate_otp(step).encode()
            if hmac.compare_digest(expected, code.strip().encode()):
                found = step
        return found
