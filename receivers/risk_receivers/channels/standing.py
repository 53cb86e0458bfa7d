"""What is known of a channel's health: what it confirmed last, and what went wrong last.

A failed delivery is believed until a delivery succeeds: that a server can be reached does not
prove that it takes messages. Only where the check had seen the trouble too does a check that
passes end it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel's health.

    Attributes:
        up: whether it works; None if nothing was tried yet.
        confirmed_at: when it confirmed a message last, as far as this process knows.
        error: what went wrong last, in words, and ``failed_at`` when.
        seen_by_check: whether a check has seen what is wrong.
    """

    up: bool | None = None
    confirmed_at: datetime | None = None
    error: str = ""
    failed_at: datetime | None = None
    seen_by_check: bool = False

    def delivered(self, at: datetime) -> Standing:
        """It confirmed a message."""
        return replace(self, up=True, confirmed_at=at, seen_by_check=False)

    def delivered_to_some(self, at: datetime, error: str) -> Standing:
        """It confirmed a message, and refused some of those it was for."""
        return replace(self.delivered(at), error=error, failed_at=at)

    def failed(self, at: datetime, error: str) -> Standing:
        """A message did not arrive."""
        return replace(self, up=False, error=error, failed_at=at)

    def check_failed(self, at: datetime, error: str) -> Standing:
        """It would not have arrived."""
        return replace(self, up=False, error=error, failed_at=at, seen_by_check=True)

    def check_passed(self) -> Standing:
        """Nothing speaks against it."""
        if self.up is False and not self.seen_by_check:
            return self
        return replace(self, up=True, seen_by_check=False)
