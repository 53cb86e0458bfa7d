"""What can go wrong with acknowledgements."""

from __future__ import annotations

from risk_receivers.acks.state import Muting
from risk_receivers.errors import ReceiversError


class AckError(ReceiversError):
    """Base of this package's errors; the message says what would be right."""


class AlertmanagerError(AckError):
    """Alertmanager did not do what it was asked for, or nobody knows whether it did.

    Attributes:
        refused: whether it answered that it will not; otherwise the answer is missing.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class NothingToAcknowledgeError(AckError):
    """The incident is over, or it never was."""


class AlreadyAcknowledgedError(AckError):
    """Somebody has taken it on already, and who asks wants no more than that.

    Attributes:
        holds: the acknowledgement that holds longest.
    """

    def __init__(self, message: str, holds: Muting) -> None:
        super().__init__(message)
        self.holds = holds


class TooLongError(AckError):
    """Longer than the policy lets anybody keep an alert quiet, or no time at all."""


class NotAcknowledgedError(AckError):
    """There is no acknowledgement to take back."""


class BusyError(AckError):
    """Another acknowledgement is being worked on for too long."""
