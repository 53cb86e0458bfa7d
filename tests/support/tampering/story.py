"""An honest chain that is worth tampering with, and the honest work that goes on around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.model.audit import Audit
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.holds import HoldFilter
from risk_receivers.kill.journal import Witness, pull
from risk_receivers.kill.switch import Trigger
from risk_receivers.retention.pruner import Pruner
from risk_receivers.schema import SCHEMA
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.connect import connect
from risk_receivers.store.places import place_of
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

BEGAN: Final = datetime(2025, 3, 3, 9, 30, tzinfo=UTC)
_EVENTS: Final[Sequence[tuple[EventType, str]]] = (
    (EventType.SERVICE_STARTED, "the receivers are up"),
    (EventType.SIGNING_BEGAN, "told by the signer itself"),
    (EventType.ALERT_CREATED, "drawdown of main is 10.3 %, beyond the warning at 10 %"),
    (EventType.TRADE_BLOCKED, "order 17 of 250000 EUR refused: concentration"),
    (EventType.ALERT_ACKNOWLEDGED, "ann takes it on: reducing the book"),
    (EventType.ALERT_CREATED, "drawdown of main is 15.8 %, beyond critical at 15 %"),
    (EventType.ALERT_ESCALATED, "nobody has answered for 5 minutes"),
    (EventType.KILL_SWITCH_ACTIVATED, "told by the switch itself"),
    (EventType.POSITION_FORCE_CLOSED, "BTC-EUR: 2.5 sold at 61240"),
    (EventType.CONFIG_CHANGED, "max drawdown raised from 10 % to 12 %"),
    (EventType.ALERT_RESOLVED, "drawdown of main is back at 3.1 %"),
    (EventType.ALERT_CREATED, "latency of binance is 900 ms"),
    (EventType.NOTIFICATION_SENT, "email told ann"),
    (EventType.ALERT_RESOLVED, "latency of binance is 80 ms"),
    (EventType.ALERT_CREATED, "spread of ETH-EUR is 40 bp"),
    (EventType.TRADE_BLOCKED, "order 21 of 9000 EUR refused: spread"),
    (EventType.ALERT_RESOLVED, "spread of ETH-EUR is 4 bp"),
)


#: Some records by their numbers.
ORDER_REFUSED: Final = 4
BREACH: Final = 6
KILL: Final = 8
CLOSED: Final = 9
LIMIT_RAISED: Final = 10
#: So many records are signed at a time.
_SIGNED_TOGETHER: Final = 3


class Clock:
    """A clock that goes on by an hour each time somebody looks."""

    def __init__(self, at: datetime = BEGAN) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(hours=1)
        return self.at


class Desk:
    """The service's own writer and signer on a data folder; signs when it is told to."""

    def __init__(self, data: Path, clock: Clock, *, in_files: bool = False) -> None:
        audit = Audit(storage_backend="jsonl" if in_files else "sqlite")
        place = place_of(audit, data)
        self.clock = clock
        self.writer = Writer(
            place,
            origin="desk-1",
            retention=audit.retention,
            schema=SCHEMA,
            batch=50,
            queue_depth=50,
            clock=clock,
        )
        self.checkpointer = Checkpointer(
            place,
            self.writer,
            partial(connect, audit.signing, data),
            Telemetry(),
            every_seconds=0.0,  # whenever it is told to
        )

    def __enter__(self) -> Desk:
        self.writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.checkpointer.stop()  # signs what was recorded last
        self.writer.stop()

    def record(self, event_type: EventType, message: str) -> None:
        """Record one event of the story."""
        if event_type is EventType.SIGNING_BEGAN:
            self.sign()  # names its key on record
        elif event_type is EventType.KILL_SWITCH_ACTIVATED:
            self.writer.run(partial(_trip, at=self.clock.at), timeout=30)
        else:
            work = partial(Transaction.append, event=_event(event_type, message))
            self.writer.run(work, timeout=30)

    def sign(self) -> None:
        """Have all that is recorded signed."""
        self.checkpointer.round()


def tell(data: Path, *, in_files: bool = False) -> None:
    """Write the whole story into a new data folder, an hour and more between two events."""
    with Desk(data, Clock(), in_files=in_files) as desk:
        for number, (event_type, message) in enumerate(_EVENTS, 1):
            desk.record(event_type, message)
            if number % _SIGNED_TOGETHER == 0:
                desk.sign()


def go_on(data: Path, *messages: str, in_files: bool = False) -> None:
    """Honest work, a month later: the service starts again, records something and stops."""
    with Desk(data, Clock(BEGAN + timedelta(days=30)), in_files=in_files) as desk:
        desk.record(EventType.SERVICE_STARTED, "the receivers are up")
        for message in messages:
            desk.record(EventType.ALERT_CREATED, message)


def prune(data: Path) -> int:
    """Honest retention, when the alerts of the story are due; how many payloads go."""
    now = BEGAN + timedelta(days=150)
    with Desk(data, Clock(now)) as desk:
        place = data / Audit().database_path
        pruner = Pruner(place, desk.writer, rest=lambda _: False)
        return pruner.prune(now, now, vouched="ann")


def hold(data: Path) -> None:
    """Keep all of the story for a court."""
    with Desk(data, Clock(BEGAN + timedelta(days=40))) as desk:
        pruner = Pruner(data / Audit().database_path, desk.writer, rest=lambda _: False)
        pruner.place("court", "file 17", HoldFilter(last=17))


def _event(event_type: EventType, message: str) -> AuditEvent:
    return AuditEvent(
        event_type,
        message,
        severity=Severity.WARNING,
        category=Category.DRAWDOWN,
        alert_id="drawdown/main",
        details={"account": "main", "tier": "warning"},
        actor_type=ActorType.SYSTEM,
    )


def _trip(transaction: Transaction, at: datetime) -> None:
    trigger = Trigger(
        key="drawdown/main:emergency:1",
        kill_id="8f14e45f-ceea-467f-9b3c-0d3a7b2f6a10",
        mode=KillMode.GRACEFUL,
        cause="DRAWDOWN_EMERGENCY",
        level=Severity.EMERGENCY.value,
        at=at,
    )
    pull(transaction, trigger, Witness(account="main"))
