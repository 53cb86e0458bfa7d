"""Delivers one channel's messages, each until the channel has confirmed it.

What is wrong with one message holds up nothing but what is said about the same subject after it.
What is wrong with the channel is tried again, for ever if need be: nothing is given up because a
disk was full for an hour. Whatever the channel refuses goes to the next one of its fallbacks, if
there is one; what it does not confirm in time goes there too, which is for :mod:`overdue` to see,
since a channel may hang.

A store that takes nothing keeps nobody from being told what is owed already, and has nobody told
it again: what was confirmed is remembered until it can be recorded.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels import Channel, enabled_channels, fallbacks
from risk_receivers.channels.attempts import Attempts
from risk_receivers.channels.attended import Attended
from risk_receivers.channels.confirmations import Confirmations
from risk_receivers.channels.errors import (
    DeliveryError,
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.failover import Fallbacks, give_up, hand_over, reached_some
from risk_receivers.channels.message import Owed
from risk_receivers.channels.outbox import (
    Letter,
    Waiting,
    letter,
    opened,
    owed,
)
from risk_receivers.channels.pace import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, Pace
from risk_receivers.channels.standing import Standing
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.latencies import told
from risk_receivers.schema import from_text
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: Five tries take some seconds: longer than whatever made a single message fail by accident.
_MOST_TRIES: Final = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policy says about a channel's deliveries.

    Attributes:
        deadline_seconds: from when a message is due until it has to be confirmed.
        fallbacks: who takes over from whom, of all channels.
        wake: to be called when another channel owes something.
    """

    deadline_seconds: float
    fallbacks: Fallbacks
    wake: Callable[[], None]

    @classmethod
    def of_channels(cls, policy: Policy, wake: Callable[[], None]) -> dict[str, Terms]:
        """Those of every enabled channel."""
        channels, takers = policy.alerting.channels, fallbacks(policy)
        return {
            name: cls(getattr(channels, name).deadline_seconds, takers, wake)
            for name in enabled_channels(policy)
        }


@dataclass(frozen=True, slots=True)
class _Trial:
    """A message that somebody wants to see delivered."""

    owed: Owed
    result: Future[None] = field(default_factory=Future)


class Courier(Worker):
    """Delivers through one channel."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        database: Place,
        writer: Writer,
        telemetry: Telemetry,
        terms: Terms,
    ) -> None:
        super().__init__(f"channel-{name}", telemetry)
        for outcome in (
            "sent",
            "deferred",
            "failed",
        ):  # a counter that is missing cannot be told from 0
            telemetry.count(m.MESSAGES, name, outcome, by=0)
        for other in terms.fallbacks.get(name, ()):
            telemetry.count(m.FAILOVERS, name, other, by=0)
        self.channel_name = name
        telemetry.measure(m.MESSAGE_DELAY, name)
        telemetry.count(m.CHANNEL_BREAKDOWNS, name, by=0)
        self._channel = Attended(
            name, channel, broke=lambda: telemetry.count(m.CHANNEL_BREAKDOWNS, name)
        )
        self._database = database
        self._writer = writer
        self._terms = terms
        self._pace = Pace()
        self._trials: SimpleQueue[_Trial] = SimpleQueue()
        self._started_at = utc_now()
        self._attempts = Attempts(writer)
        self._confirmations = Confirmations(writer)
        self._news = threading.Event()
        self._retry_seconds = FIRST_RETRY_SECONDS

    @property
    def standing(self) -> Standing:
        """What is known of the channel's health."""
        return self._channel.standing

    def has_confirmed(self, number: int) -> bool:
        """Whether the channel has a message of which that is not on record yet."""
        return number in self._confirmations

    def wake(self) -> None:
        """There is something to do, which may be more urgent than what is being done."""
        self._news.set()
        super().wake()

    def try_out(self, owed: Owed) -> Future[None]:
        """Deliver a message that nobody owes, ahead of all others; raises what the channel does."""
        trial = _Trial(owed)
        self._trials.put(trial)
        self.wake()
        return trial.result

    def round(self) -> float | None:
        """Deliver everything that is owed, and look after a channel that has nothing to do."""
        try:
            self._run_trials()
            self._confirmations.record()
            self._pace.knocked()
            with closing(open_read_only(self._database)) as connection:
                while turns := self._turns(connection):
                    self._take(turns, connection)
        except ROUND_ERRORS as error:  # of the store: a channel's are dealt with one by one
            pause = self._retry_seconds
            self._retry_seconds = min(2 * pause, LAST_RETRY_SECONDS)
            _log.error(
                "channel %s: the store failed, trying again in %g s: %s",
                *(self.channel_name, pause, error),
            )
            return pause
        self._retry_seconds = FIRST_RETRY_SECONDS
        pause_or_none = self._pace.next_in(time.monotonic())
        pause = self._look_after() if pause_or_none is None else pause_or_none
        return pause if self._confirmations.are_recorded else min(pause, FIRST_RETRY_SECONDS)

    def stop(self) -> None:
        """End, and let go of the channel."""
        super().stop()
        self._confirmations.record()
        while not self._trials.empty():
            self._trials.get().result.cancel()
        self._channel.close()

    def _turns(self, connection: Connection) -> list[Waiting]:
        if self._stopping.is_set():
            return []
        self._news.clear()
        waiting = [
            one for one in owed(connection, self.channel_name) if not self.has_confirmed(one.number)
        ]
        return self._pace.turns(waiting, time.monotonic())

    def _take(self, turns: list[Waiting], connection: Connection) -> None:
        """Deliver what is to be tried now, until there is news or the channel is to be left alone.

        However much waits, an emergency waits for one message at most.
        """
        stuck: set[str] = set()
        for position, turn in enumerate(turns):
            self._run_trials()
            resting = position > 0 and self._pace.is_resting(time.monotonic())
            if resting or self._stopping.is_set() or (position > 0 and self._news.is_set()):
                return
            if turn.subject in stuck:
                continue
            one = letter(connection, turn.number)
            if one is None:  # somebody else took it over
                self._pace.gone(turn.number)
            elif not self._dealt_with(one):
                stuck.add(turn.subject)

    def _run_trials(self) -> None:
        while not self._trials.empty():
            trial = self._trials.get()
            if not trial.result.set_running_or_notify_cancel():
                continue  # whoever wanted it has gone
            try:
                self._channel.deliver(trial.owed)
            except Exception as error:  # noqa: BLE001 - whoever waits for it is to hear of it
                if not isinstance(error, OSError | DeliveryError):
                    self._telemetry.unexpected()
                trial.result.set_exception(error)
            else:
                self._pace.proven()
                trial.result.set_result(None)

    def _look_after(self) -> float:
        try:
            return self._channel.look_after()
        except Exception as error:  # noqa: BLE001 - a check must not end the deliveries
            self._telemetry.unexpected()
            _log.error("channel %s cannot be checked", self.channel_name, exc_info=error)
            return LAST_RETRY_SECONDS

    def _dealt_with(self, one: Letter) -> bool:
        """Deliver one message; whether those behind it about the same may follow."""
        try:
            return self._deliver(one)
        except StoreError as error:
            # What became of it can be written down nowhere; all others can be told meanwhile.
            self._pace.failed(one.number, time.monotonic(), by_itself=True)
            _log.error(
                "channel %s: what becomes of message %d cannot be recorded, trying again: %s",
                *(self.channel_name, one.number, error),
            )
            return False

    def _deliver(self, one: Letter) -> bool:
        """Deliver one message; whether those behind it may follow. Raises what is the store's."""
        patience = 0.0
        try:
            patience = self._seconds_left(one)
            head = self._writer.tree_head
            message, unique = opened(one)
            attempt = self._attempts.begin(one.number)
            self._channel.deliver(Owed(unique, message, str(head), attempt), patience)
        except TemporaryDeliveryError as error:
            if not error.is_mere_wait(patience):
                return self._not_delivered(one, error)
            return self._deferred(one, error)
        except PartlyRefusedError as error:
            self._reached_some(one, str(error))
            return True
        except (OSError, DeliveryError) as error:
            return self._not_delivered(one, error)
        except Exception as error:  # noqa: BLE001 - those behind must not wait, whatever it is
            self._telemetry.unexpected()
            return self._odd(one, error)
        self._pace.delivered(one.number)
        self._confirmations.add(one.number)
        self._attempts.confirmed(one.number)
        self._telemetry.count(m.MESSAGES, self.channel_name, "sent")
        told(self._telemetry, self.channel_name, from_text(one.due_at), message)
        return True

    def _reached_some(self, one: Letter, reason: str) -> None:
        """The channel works; whom it did not reach is for somebody to see to."""
        self._writer.submit(
            lambda transaction: reached_some(transaction, one.number, reason)
        ).result()
        self._pace.delivered(one.number)
        self._attempts.confirmed(one.number)
        self._telemetry.count(m.MESSAGES, self.channel_name, "sent")
        _log.error("channel %s: message %d: %s", self.channel_name, one.number, reason)

    def _deferred(self, one: Letter, error: TemporaryDeliveryError) -> bool:
        """The channel works and is busy: it is left alone for as long as it asks."""
        self._telemetry.count(m.MESSAGES, self.channel_name, "deferred")
        now = time.monotonic()
        self._pace.failed(one.number, now)
        self._pace.rest(now, error.retry_after_seconds)
        _log.warning("channel %s asks to wait: %s", self.channel_name, error)
        return False

    def _not_delivered(self, one: Letter, error: OSError | DeliveryError) -> bool:
        """What follows from what the channel says."""
        self._telemetry.count(m.MESSAGES, self.channel_name, "failed")
        refused = isinstance(error, RefusedDeliveryError)
        whole_channel = isinstance(error, RefusedDeliveryError) and error.whole_channel
        if refused and not whole_channel:
            self._give_up(one, str(error))
            return True
        if whole_channel and self._hand_over(one, str(error)):
            return True
        now = time.monotonic()
        self._pace.failed(one.number, now)
        asked = error.retry_after_seconds if isinstance(error, TemporaryDeliveryError) else None
        if whole_channel or asked:
            self._pace.rest(now, asked)
        if self._is_hopeless(one):
            self._give_up(one, f"{error}; {self._pace.tries(one.number)} tries")
            return True
        _log.error(
            "channel %s failed, trying again in %.3g s: %s",
            *(self.channel_name, self._pace.next_in(now) or 0.0, error),
        )
        return False

    def _odd(self, one: Letter, error: Exception) -> bool:
        """A failure that nobody had planned for says nothing about the channel."""
        self._telemetry.count(m.MESSAGES, self.channel_name, "failed")
        self._pace.failed(one.number, time.monotonic(), by_itself=True)
        tries = self._pace.tries(one.number)
        reason = f"{type(error).__name__} in {tries} tries"  # its text may hold anything
        _log.error(
            "channel %s: message %d failed: %s",
            *(self.channel_name, one.number, reason),
            exc_info=error,
        )
        if tries < _MOST_TRIES:
            return False
        self._give_up(one, reason)
        return True

    def _is_hopeless(self, one: Letter) -> bool:
        """Whether others arrive and this one, for all its time and its tries, does not."""
        return (
            self._seconds_left(one) < 0
            and self._pace.tries(one.number) >= _MOST_TRIES
            and self._pace.is_alone(one.number)
        )

    def _seconds_left(self, one: Letter) -> float:
        """Until it has to be confirmed; what was due before the start has its whole time."""
        due_at = max(from_text(one.due_at), self._started_at)
        waited = (utc_now() - due_at).total_seconds()
        return self._terms.deadline_seconds - waited

    def _give_up(self, one: Letter, reason: str) -> None:
        fallbacks = self._terms.fallbacks
        taker = self._writer.submit(
            lambda transaction: give_up(transaction, fallbacks, one.number, reason)
        ).result()
        self._pace.gone(one.number)
        _log.error("channel %s: message %d is given up: %s", self.channel_name, one.number, reason)
        self._tell(taker)

    def _hand_over(self, one: Letter, reason: str) -> bool:
        fallbacks = self._terms.fallbacks
        taker = self._writer.submit(
            lambda transaction: hand_over(transaction, fallbacks, one.number, reason)
        ).result()
        self._tell(taker)
        return taker is not None

    def _tell(self, taker: str | None) -> None:
        if taker is not None:
            _log.error("channel %s: %s takes over", self.channel_name, taker)
            self._telemetry.count(m.FAILOVERS, self.channel_name, taker)
            self._terms.wake()


def channel_gauges(couriers: Sequence[Courier]) -> Mapping[Metric, Samples]:
    """Which channels work, of those of which that is known."""
    standings = {courier.channel_name: courier.standing for courier in couriers}
    return {
        m.CHANNEL_UP: [
            ((name,), float(standing.up))
            for name, standing in standings.items()
            if standing.up is not None
        ]
    }
