"""Delivers one channel's messages, in order, each until the channel has confirmed it.

What is wrong with the channel holds up everything, and everything is tried again: nothing is
given up because a disk was full for an hour. What is wrong with one message holds up nothing
but that one: it is tried a few times more while the others pass, then given up for all to see.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels import Channel
from risk_receivers.channels.attempts import Attempts
from risk_receivers.channels.errors import RefusedDeliveryError, TemporaryDeliveryError
from risk_receivers.channels.message import Owed
from risk_receivers.channels.outbox import Letter, give_up, mark_delivered, opened, owed
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

# The pace of retries is not policy: it changes nothing about who is told what.
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 30.0
#: Five tries take 7.5 s: longer than whatever made a single message fail by accident.
_MOST_TRIES: Final = 5
_PAGE: Final = 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failing:
    """A message that failed for reasons of its own."""

    tries: int
    not_before: float


class Courier(Worker):
    """Delivers through one channel."""

    def __init__(
        self, name: str, channel: Channel, database: Path, writer: Writer, telemetry: Telemetry
    ) -> None:
        super().__init__(f"channel-{name}", telemetry)
        for outcome in ("sent", "failed"):  # a counter that is missing cannot be told from 0
            telemetry.count(m.MESSAGES, name, outcome, by=0)
        self._channel_name = name
        self._channel = channel
        self._database = database
        self._writer = writer
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._failing: dict[int, _Failing] = {}
        self._attempts = Attempts(writer)

    def round(self) -> float | None:
        """Deliver everything that is owed."""
        try:
            after = 0
            while not self._stopping.is_set() and (page := self._page(after)):
                for letter in page:
                    if not self._stopping.is_set():
                        self._take_round(letter)
                after = page[-1].number
        except ROUND_ERRORS as error:
            self._telemetry.count(m.MESSAGES, self._channel_name, "failed")
            pause = self._retry_seconds
            self._retry_seconds = min(2 * pause, _LAST_RETRY_SECONDS)
            if isinstance(error, TemporaryDeliveryError) and error.retry_after_seconds:
                pause = error.retry_after_seconds
            _log.error(
                "channel %s failed, trying again in %g s: %s", self._channel_name, pause, error
            )
            return pause
        self._retry_seconds = _FIRST_RETRY_SECONDS
        soonest = min((failing.not_before for failing in self._failing.values()), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def stop(self) -> None:
        """End, and let go of the channel."""
        super().stop()
        self._channel.close()

    def _page(self, after: int) -> list[Letter]:
        with closing(open_read_only(self._database)) as connection:
            return owed(connection, self._channel_name, after, _PAGE)

    def _take_round(self, letter: Letter) -> None:
        """Deliver one message, unless it has failed just now. Raises what is wrong for all."""
        failing = self._failing.get(letter.number)
        if failing is not None and time.monotonic() < failing.not_before:
            return
        try:
            head = self._writer.head
            message, unique = opened(letter)
            attempt = self._attempts.begin(letter.number)
            self._channel.deliver(Owed(unique, message, f"{head.size}:{head.checksum}", attempt))
        except (OSError, TemporaryDeliveryError):
            raise
        except RefusedDeliveryError as error:
            if error.whole_channel:
                raise
            self._give_up(letter, str(error))
        except Exception as error:  # noqa: BLE001 - those behind must not wait, whatever it is
            self._telemetry.unexpected()
            self._failed(letter, failing, error)
        else:
            self._failing.pop(letter.number, None)
            self._writer.submit(_marking(letter.number)).result()
            self._attempts.confirmed(letter.number)
            self._telemetry.count(m.MESSAGES, self._channel_name, "sent")

    def _failed(self, letter: Letter, before: _Failing | None, error: Exception) -> None:
        tries = before.tries + 1 if before else 1
        reason = f"{type(error).__name__} in {tries} tries"  # its text may hold anything
        _log.error(
            "channel %s: message %d failed: %s",
            *(self._channel_name, letter.number, reason),
            exc_info=error,
        )
        if tries >= _MOST_TRIES:
            self._give_up(letter, reason)
            return
        self._telemetry.count(m.MESSAGES, self._channel_name, "failed")
        pause = _FIRST_RETRY_SECONDS * 2 ** (tries - 1)
        self._failing[letter.number] = _Failing(tries, time.monotonic() + pause)

    def _give_up(self, letter: Letter, reason: str) -> None:
        self._telemetry.count(m.MESSAGES, self._channel_name, "failed")
        self._writer.submit(
            lambda transaction: give_up(transaction, self._channel_name, letter, reason)
        ).result()
        self._failing.pop(letter.number, None)
        _log.error(
            "channel %s: message %d is given up: %s", self._channel_name, letter.number, reason
        )


def _marking(number: int) -> Callable[[Transaction], None]:
    return lambda transaction: mark_delivered(transaction.connection, number, transaction.now)
