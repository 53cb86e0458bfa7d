"""Whose code of an authenticator a dangerous act takes: one's own, or the policy's for all.

Whoever is logged in and has an authenticator of their own brings a code of that one, whatever the
policy says. Everybody else brings one of the policy's secret where the policy asks for codes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

from risk_receivers.auth import Identity
from risk_receivers.store.transaction import Transaction

WRONG_CODE: Final = (
    "this takes a code of the authenticator (totp), and this one is missing, wrong, too old or was "
    "used; after three wrong ones, wait until the authenticator shows another"
)


class CodeTaker(Protocol):
    """Checks codes."""

    def is_shown(self, code: str, at: datetime) -> bool:
        """Whether the authenticator shows it. It is good for more: what it is asked for stops."""

    def is_likely(self, code: str, at: datetime) -> bool:
        """Whether :meth:`take` would not find it wrong; it may have been used. Asks no store."""

    def take(self, transaction: Transaction, code: str) -> bool:
        """Whether a code is good now; from then on it is not any more."""


class OwnCodes(Protocol):
    """Knows who has an authenticator of their own."""

    def of(self, name: str) -> CodeTaker | None:
        """What checks the codes of somebody's; None if they have none."""


class SecondFactor:
    """Asks whoever has to bring a code for it."""

    def __init__(self, shared: CodeTaker | None = None, own: OwnCodes | None = None) -> None:
        """``shared`` is the policy's, if it asks for codes."""
        self._shared = shared
        self._own = own

    def needed_of(self, by: Identity | None) -> bool:
        """Whether somebody has to bring a code for what loosens."""
        return self._of(person_of(by)) is not None

    def own_needed_of(self, by: Identity | None) -> bool:
        """Whether somebody has to bring a code for anything dangerous: one of their own."""
        return self._own_of(person_of(by)) is not None

    def is_shown(self, by: Identity | None, code: str, at: datetime) -> bool:
        """Whether nothing more is needed of somebody to stop something: no code, or this one."""
        codes = self._of(person_of(by))
        return codes is None or codes.is_shown(code, at)

    def take(self, transaction: Transaction, person: str, code: str) -> bool:
        """Whether nothing more is needed of somebody: no code, or this one."""
        codes = self._of(person)
        return codes is None or codes.take(transaction, code)

    def take_own(self, transaction: Transaction, person: str, code: str) -> bool:
        """The same, if nothing but an authenticator of their own counts."""
        codes = self._own_of(person)
        return codes is None or codes.take(transaction, code)

    def _of(self, person: str) -> CodeTaker | None:
        return self._own_of(person) or self._shared

    def _own_of(self, person: str) -> CodeTaker | None:
        return self._own.of(person) if self._own is not None and person else None


def person_of(by: Identity | None) -> str:
    """Who is logged in; empty for whoever brought a token."""
    return by.name if by is not None and by.session else ""
