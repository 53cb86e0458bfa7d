"""What a channel raises when it could not hand a message over, and whether trying again helps."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class DeliveryError(ReceiversError):
    """A message was not handed over. Says what the other side said, and never a secret."""


class TemporaryDeliveryError(DeliveryError):
    """The same may succeed later: no connection, a server error, a rate limit.

    Attributes:
        retry_after_seconds: how long the other side asked to be left alone; None if it did not.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    def is_mere_wait(self, patience_seconds: float) -> bool:
        """Whether the other side takes messages, only later, and soon enough for this one."""
        asked = self.retry_after_seconds
        return asked is not None and asked <= patience_seconds


class PartlyRefusedError(DeliveryError):
    """Some of those it is for have it, and all others were refused for good."""


class RefusedDeliveryError(DeliveryError):
    """The same will be refused again.

    Attributes:
        whole_channel: whether that goes for every message (a wrong token, an unknown chat), and
            not only for what this one says.
    """

    def __init__(self, message: str, *, whole_channel: bool = False) -> None:
        super().__init__(message)
        self.whole_channel = whole_channel
