"""Tells people when a feed has gone silent, past whatever has died.

The Watchdog fires always. Where it stops arriving, nobody could raise an alert about it any more
(Prometheus is dead) or nobody is told of one in the usual way (Alertmanager is), so the receivers
tell people themselves: every channel, once per outage, and once more when the feed is heard again.
An outage is on record, so that a restart neither forgets it nor tells of it twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.audit import EventType
from risk_policy.contracts.gate import now_ns
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.errors import ReceiversError
from risk_receivers.facts import fact, forget_fact, keep_fact
from risk_receivers.intake.alert import Feed
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

_NANOSECONDS: Final = 1_000_000_000
#: Whoever starts a whole stack starts Prometheus last; a machine that boots needs this long.
_START_SECONDS: Final = 60.0
#: Alertmanager's beats are far apart, and one that is lost means nothing.
_BEATS: Final = 2
_FACT: Final = "feed_silent:"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    text: str


_SILENT: Final = {
    Feed.ALERTS: _Words(
        "PROMETHEUS IS SILENT",
        "Prometheus's Watchdog has not arrived for {seconds:.0f} s: no limit is watched, nothing "
        "but the exporter's fast lane could trip the kill switch, and the gate refuses new risk. "
        "Start Prometheus, or mend its way to the receivers; watch the account by hand until then.",
    ),
    Feed.NOTIFICATIONS: _Words(
        "ALERTMANAGER IS SILENT",
        "Alertmanager's Watchdog has not arrived for {seconds:.0f} s: alerts are recorded, the "
        "kill switch works, and the receivers tell of alerts themselves, but later than usual. "
        "Start Alertmanager, or mend its way to the receivers.",
    ),
}
_HEARD: Final = {
    Feed.ALERTS: _Words("PROMETHEUS IS HEARD AGAIN", "Limits are watched again."),
    Feed.NOTIFICATIONS: _Words(
        "ALERTMANAGER IS HEARD AGAIN", "People are told of alerts in the usual way again."
    ),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A feed that has gone silent, or is heard again."""

    feed: Feed
    is_silent: bool
    seconds: float = 0.0


class Silences:
    """Which feeds are silent. Decides, and does nothing.

    An outage of the alert feed explains that of the other, as Alertmanager has its alerts from
    Prometheus; so only the first is told, and the other gets its time anew after it.
    """

    def __init__(
        self, limits_seconds: Mapping[Feed, float], now: int, known: Collection[Feed] = ()
    ) -> None:
        self._limits_ns = {
            feed: int(seconds * _NANOSECONDS) for feed, seconds in limits_seconds.items()
        }
        self._silent = set(known)
        self._patient_until = now + int(_START_SECONDS * _NANOSECONDS)
        #: Since when a feed is listened to in vain, if it is not heard.
        self._since = dict.fromkeys(self._limits_ns, now)
        self._heard: dict[Feed, int] = {}

    def hear(self, feed: Feed, now: int) -> None:
        """The Watchdog has arrived. Another thread may say so."""
        self._heard[feed] = now

    def turn(self, now: int) -> Turn | None:
        """What has changed and is not settled, the alert feed first: it explains the other."""
        turns = (self._turn(feed, now) for feed in (Feed.ALERTS, Feed.NOTIFICATIONS))
        return next((turn for turn in turns if turn is not None), None)

    def settle(self, turn: Turn, now: int) -> None:
        """People are owed a message about it."""
        if turn.is_silent:
            self._silent.add(turn.feed)
            return
        self._silent.discard(turn.feed)
        if turn.feed is Feed.ALERTS:
            self._since[Feed.NOTIFICATIONS] = now

    def _turn(self, feed: Feed, now: int) -> Turn | None:
        heard = self._heard.get(feed)
        silence = now - max(self._since[feed], heard or 0)
        is_over_limit = silence > self._limits_ns[feed]
        if feed in self._silent:  # patience is no sign of life
            is_back = heard is not None and now - heard <= self._limits_ns[feed]
            return Turn(feed, is_silent=False) if is_back else None
        is_starting = heard is None and now < self._patient_until
        is_explained = feed is Feed.NOTIFICATIONS and Feed.ALERTS in self._silent
        if not is_over_limit or is_starting or is_explained:
            return None
        return Turn(feed, is_silent=True, seconds=silence / _NANOSECONDS)


def limits_seconds(policy: Policy) -> dict[Feed, float]:
    """How long each feed may be silent."""
    silence = policy.alerting.dead_man.prometheus_seconds
    beat = policy.alerting.routing.debug.repeat_interval_seconds
    return {Feed.ALERTS: silence, Feed.NOTIFICATIONS: silence + _BEATS * beat}


class FeedWatch(Worker):
    """Looks whether the feeds are heard."""

    def __init__(
        self,
        writer: Writer,
        outbox: Outbox,
        telemetry: Telemetry,
        *,
        policy: Policy,
        wake_couriers: Callable[[], None],
    ) -> None:
        super().__init__("feed-watch", telemetry)
        self._writer = writer
        self._outbox = outbox
        self._wake_couriers = wake_couriers
        self._interval_seconds = policy.alerting.prometheus.evaluation_interval_seconds
        known = writer.run(_known, _START_SECONDS)
        self._silences = Silences(limits_seconds(policy), now_ns(), known)

    def hear(self, feed: Feed) -> None:
        """The Watchdog has arrived on a feed."""
        self._silences.hear(feed, now_ns())

    def round(self) -> float | None:
        """Look once."""
        try:
            while turn := self._silences.turn(now_ns()):
                self._tell(turn)
        except (OSError, *DATABASE_ERRORS, ReceiversError) as error:
            _log.error("that a feed is silent or heard again cannot be recorded yet: %s", error)
        return self._interval_seconds

    def _tell(self, turn: Turn) -> None:
        outbox = self._outbox
        self._writer.submit(lambda transaction: record(transaction, outbox, turn)).result()
        self._silences.settle(turn, now_ns())
        self._wake_couriers()


def record(transaction: Transaction, outbox: Outbox, turn: Turn) -> None:
    """Put a turn on record, once, and owe people a message about it."""
    name = _FACT + turn.feed.value
    words = (_SILENT if turn.is_silent else _HEARD)[turn.feed]
    connection = transaction.connection
    begun = fact(connection, name)
    if turn.is_silent == (begun is not None):
        return  # it is on record, and its answer was lost
    text = words.text.format(seconds=turn.seconds)
    seq = transaction.append(
        AuditEvent(
            EventType.FEED_SILENT if turn.is_silent else EventType.FEED_HEARD,
            text,
            severity=Severity.EMERGENCY if turn.is_silent else Severity.INFO,
            category=Category.SYSTEM,
            details={
                "feed": turn.feed.value,
                **({"silent_seconds": f"{turn.seconds:.3f}"} if turn.is_silent else {}),
                **({"began_in": int(begun)} if begun else {}),
            },
        )
    )
    if turn.is_silent:
        keep_fact(connection, name, str(seq))
    else:
        forget_fact(connection, name)
    outbox.owe(
        connection,
        Message(
            subject=f"feed:{begun[0] if begun else seq}",
            kind=Kind.FEED_SILENT if turn.is_silent else Kind.FEED_HEARD,
            # Whoever was told of the one has to be told of the other.
            severity=Severity.EMERGENCY,
            title=words.title,
            text=text,
            at=transaction.now,
            audit_seq=seq,
        ),
    )


def _known(transaction: Transaction) -> tuple[Feed, ...]:
    """The feeds that were silent when the service last ran."""
    rows = transaction.connection.execute(
        "SELECT name FROM fact WHERE name IN (?, ?)", [_FACT + feed.value for feed in Feed]
    )
    return tuple(Feed(name.removeprefix(_FACT)) for (name,) in rows)
