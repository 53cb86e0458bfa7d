"""How the store can fail, and whether trying again can help."""

from __future__ import annotations

from typing import ClassVar

from risk_receivers.errors import ReceiversError


class StoreError(ReceiversError):
    """Base of every error of the store.

    Attributes:
        temporary: the same call may succeed later, with the same writer.
    """

    temporary: ClassVar[bool] = False


class QueueFullError(StoreError):
    """More work waits than the queue may hold. Nothing was taken; try again later."""

    temporary = True


class StoreBusyError(StoreError):
    """Another program held the database for too long. The work was not recorded."""

    temporary = True


class StoreTimeoutError(StoreError):
    """No commit within the caller's time; the message says whether it may still happen."""

    temporary = True


class StoreClosedError(StoreError):
    """The writer was not started, or was stopped."""


class StoreFailedError(StoreClosedError):
    """The writer stopped because it could not promise durability any more.

    What was pending may or may not be in the database; it was never acknowledged.
    """
