"""What a channel has confirmed, on record: the audit chain tells who was told, through what, when.

Console and file are read by whoever looks, which proves nothing about anybody; what went there is
marked as delivered and makes no record.
"""

from __future__ import annotations

from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.outbox import UNSEEN, mark_delivered
from risk_receivers.store.writer import Transaction

_OWED: Final = (
    "SELECT channel, subject, kind, created_at FROM message WHERE id = ? AND delivered_at IS NULL"
)


def record_delivery(transaction: Transaction, number: int) -> None:
    """Note that a channel has confirmed a message; once, however often that is said."""
    row = transaction.connection.execute(_OWED, (number,)).fetchone()
    mark_delivered(transaction.connection, number, transaction.now)
    if row is None or row[0] in UNSEEN:
        return
    channel, subject, kind, due_at = row
    transaction.append(
        AuditEvent(
            EventType.NOTIFICATION_SENT,
            f"{channel} has confirmed a message: {kind} {subject}",
            category=Category.SYSTEM,
            details={
                "channel": channel,
                "message": number,
                "subject": subject,
                "kind": kind,
                "due_at": due_at,
            },
            action_taken="told people",
        )
    )
