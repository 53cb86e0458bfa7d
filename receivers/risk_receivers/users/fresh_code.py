"""A code of one's own authenticator for what is dangerous beside the kill switch."""

from __future__ import annotations

from typing import Final

from risk_receivers.auth import Identity
from risk_receivers.kill.second_factor import SecondFactor, person_of
from risk_receivers.store.writer import Writer

_PATIENCE_SECONDS: Final = 10.0


class FreshCode:
    """Asks whoever is logged in and has an authenticator for a code of it."""

    def __init__(self, writer: Writer, second_factor: SecondFactor) -> None:
        self._writer = writer
        self._second_factor = second_factor

    def is_good(self, by: Identity, code: str) -> bool:
        """Whether nothing more is needed of somebody. Raises StoreError."""
        if not self._second_factor.own_needed_of(by):
            return True
        return self._writer.run(
            lambda transaction: self._second_factor.take_own(transaction, person_of(by), code),
            _PATIENCE_SECONDS,
        )
