"""What can go wrong with acknowledgements."""

from __future__ import annotations

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


class NotAcknowledgedError(AckError):
    """There is no acknowledgement to take back."""


class BusyError(AckError):
    """Another acknowledgement is being worked on for too long."""
