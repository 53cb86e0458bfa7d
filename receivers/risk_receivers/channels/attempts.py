"""How often a message was handed to a channel: what is sent again says so.

Kept before each try, so that a service which dies before the channel has confirmed, or before
that is on record, knows afterwards that the message may have arrived. A store that cannot keep
it keeps nobody from being told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from risk_receivers.database.connection import Connection
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

#: Longer than any commit that succeeds; people must not wait for a disk that hangs.
_PATIENCE_SECONDS: Final = 2.0
_BEGIN: Final = (
    "INSERT INTO message_attempt (id, attempts) VALUES (?, 1) "
    "ON CONFLICT (id) DO UPDATE SET attempts = message_attempt.attempts + 1 RETURNING attempts"
)
_log = logging.getLogger(__name__)


class Attempts:
    """Counts the tries of one channel's messages."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._unconfirmed: dict[int, int] = {}

    def begin(self, number: int) -> int:
        """A message is about to be handed over: which time that is."""
        attempt = self._unconfirmed.get(number, 0) + 1
        try:
            kept = self._writer.submit(_beginning(number)).result(_PATIENCE_SECONDS)
        except (StoreError, TimeoutError) as error:
            _log.warning("that message %d is tried is on no record: %s", number, error)
        else:
            attempt = max(attempt, kept)
        self._unconfirmed[number] = attempt
        return attempt

    def confirmed(self, number: int) -> None:
        """Its confirmation is on record."""
        self._unconfirmed.pop(number, None)


def _beginning(number: int) -> Callable[[Transaction], int]:
    def begin(transaction: Transaction) -> int:
        (attempts,) = transaction.connection.execute(_BEGIN, (number,)).fetchone()
        return int(attempts)

    return begin


def forget(connection: Connection, number: int) -> None:
    """A message is confirmed and will not be tried again."""
    connection.execute("DELETE FROM message_attempt WHERE id = ?", (number,))
