"""Kill alerts that Alertmanager delivered and Prometheus did not: told, never obeyed.

Whoever reaches Alertmanager can add an alert there, for its API asks nobody who they are. So a
notification trips nothing. Prometheus delivers every alert to the alert feed by itself, with a
token, and what it delivers trips; if it is dead or cannot reach this service, the Watchdog does
not arrive there either, the lease is not renewed and the gate closes (:mod:`.pulse`). So a kill
that only Alertmanager asks for is either made up, or the gate is closed to new risk already.

It is noted at once and told once the alert feed has had the time to deliver it: Alertmanager may
well be the faster of the two, above all after a restart of this service.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import Connection
from risk_receivers.intake.alert import Alert
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction

#: Open doubts: neither told of yet, nor dispelled by a trigger of the alert feed.
_OPEN: Final = (
    "FROM doubted_kill WHERE told = 0 AND NOT EXISTS "
    "(SELECT 1 FROM kill_event WHERE trigger_key = doubted_kill.trigger_key)"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a look at the doubts came to."""

    told: int = 0
    messages: int = 0


def note(transaction: Transaction, key: str, alert: Alert, alert_id: str) -> bool:
    """Keep a kill that a notification asks for; whether that is news."""
    new = transaction.connection.execute(
        "INSERT INTO doubted_kill "
        "(trigger_key, alert_id, alertname, risk_id, description, first_at, told) "
        "SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0 "
        "WHERE NOT EXISTS (SELECT 1 FROM kill_event WHERE trigger_key = ?1) "
        "ON CONFLICT DO NOTHING",
        (
            key,
            alert_id,
            alert.alertname,
            alert.risk_id,
            alert.description,
            to_text(transaction.now),
        ),
    ).rowcount
    return bool(new)


def oldest(connection: Connection) -> datetime | None:
    """Since when the oldest open doubt has waited."""
    (first_at,) = connection.execute(f"SELECT min(first_at) {_OPEN}").fetchone()
    return from_text(first_at) if first_at else None


def settle(transaction: Transaction, outbox: Outbox, before: datetime) -> Settled:
    """Tell of every doubt that is older and was not dispelled."""
    rows = transaction.connection.execute(
        f"SELECT trigger_key, alert_id, alertname, risk_id, description, first_at {_OPEN} "
        "AND first_at <= ? ORDER BY first_at",
        (to_text(before),),
    ).fetchall()
    messages = 0
    for key, alert_id, alertname, risk_id, description, first_at in rows:
        text = (
            f"{alertname} {risk_id} asks for the kill switch, but it came from Alertmanager only: "
            "not tripped. Trip it by hand if it is true; look for who made it up if it is not"
        )
        seq = transaction.append(
            AuditEvent(
                EventType.KILL_SWITCH_UNCONFIRMED,
                text,
                severity=Severity.EMERGENCY,
                category=Category.KILL_SWITCH,
                alert_id=alert_id,
                details={
                    "trigger": key,
                    "cause": alertname,
                    "description": description,
                    "received_at": first_at,
                },
                action_taken="not tripped",
                action_reason="the alert feed has not delivered it",
            )
        )
        message = Message(
            subject=key,
            kind=Kind.KILL_UNCONFIRMED,
            severity=Severity.EMERGENCY,
            title="KILL ALERT UNCONFIRMED",
            text=text,
            at=transaction.now,
            audit_seq=seq,
            risk_id=risk_id,
        )
        messages += outbox.owe(transaction.connection, message)
        transaction.connection.execute(
            "UPDATE doubted_kill SET told = 1 WHERE trigger_key = ?", (key,)
        )
    return Settled(len(rows), messages)
