"""What a channel has confirmed, until that is on record.

A store that takes nothing must neither have people told the same again and again nor keep those
messages from them that are owed beside it. So what was confirmed is remembered here, and put on
record as soon as that can be done. A service that dies before it can sends those once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from risk_receivers.channels.delivered import record_delivery
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

#: Longer than any commit that succeeds; people must not wait for a disk that hangs.
_PATIENCE_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class Confirmations:
    """Those of one channel. Its courier's thread notes them; others may ask."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._unrecorded: dict[int, Future[None] | None] = {}
        self._told_of_trouble = False

    def __contains__(self, number: object) -> bool:
        """Whether a message was confirmed and that is not on record."""
        return number in self._unrecorded

    @property
    def are_recorded(self) -> bool:
        """Whether all of them are on record."""
        return not self._unrecorded

    def add(self, number: int) -> None:
        """A message was confirmed."""
        patience_seconds = 0 if self._unrecorded else _PATIENCE_SECONDS
        self._unrecorded[number] = None
        self.record(patience_seconds)

    def record(self, patience_seconds: float = 0) -> None:
        """Put on record what can be; the rest stays for the next time."""
        for number in list(self._unrecorded):
            try:
                recording = self._unrecorded[number]
                if recording is None:
                    recording = self._writer.submit(_marking(number))
                    self._unrecorded[number] = recording
                recording.result(patience_seconds)
            except TimeoutError:  # it may still come to be
                self._complain("the store does not answer")
                return
            except (StoreError, *DATABASE_ERRORS) as error:
                self._unrecorded[number] = None
                self._complain(str(error))
                return
            del self._unrecorded[number]
        self._told_of_trouble = False

    def _complain(self, trouble: str) -> None:
        if not self._told_of_trouble:
            self._told_of_trouble = True
            _log.error("what was delivered is on no record yet: %s", trouble)


def _marking(number: int) -> Callable[[Transaction], None]:
    return lambda transaction: record_delivery(transaction, number)
