"""An honest chain that is worth tampering with, and the honest work that goes on around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.kill.journal import Witness, pull
from risk_receivers.kill.switch import Trigger
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Transaction, Writer

BEGAN: Final = datetime(2025, 3, 3, 9, 30, tzinfo=UTC)
#: The trip of the kill switch: a record that is kept for ever.
KILL: Final = 7
_EVENTS: Final[Sequence[tuple[EventType, str]]] = (
    (EventType.SERVICE_STARTED, "the receivers are up"),
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
EVENTS: Final = len(_EVENTS)


class Clock:
    """A clock that goes on by an hour each time somebody looks."""

    def __init__(self, at: datetime = BEGAN) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(hours=1)
        return self.at


def writer(database: Path, clock: Callable[[], datetime]) -> Writer:
    """A writer as the service has it."""
    return Writer(
        database,
        origin="desk-1",
        retention=AuditRetention(),
        schema=SCHEMA,
        batch=50,
        queue_depth=50,
        clock=clock,
    )


def tell(database: Path) -> None:
    """Write the whole story into a new database, an hour between two events."""
    clock = Clock()
    running = writer(database, clock)
    running.start()
    try:
        for event_type, message in _EVENTS:
            if event_type is EventType.KILL_SWITCH_ACTIVATED:
                running.run(partial(_trip, at=clock.at), timeout=30)
            else:
                running.run(partial(Transaction.append, event=_event(event_type, message)), 30)
    finally:
        running.stop()


def go_on(database: Path, *messages: str, after: datetime | None = None) -> None:
    """Honest work: the service starts again, records something and stops."""
    running = writer(database, Clock(after or BEGAN + timedelta(hours=EVENTS)))
    running.start()
    try:
        for message in messages:
            work = partial(Transaction.append, event=_event(EventType.ALERT_CREATED, message))
            running.run(work, timeout=30)
    finally:
        running.stop()


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
