"""What a channel has confirmed, on record: the audit chain tells who was told, what, and when.

Console and file are read by whoever looks, which proves nothing about anybody; what went there is
marked as delivered and makes no record.
"""

from __future__ import annotations

from typing import Final

import msgspec

from risk_policy.contracts.audit import EventType
from risk_policy.model.names import UNSEEN
from risk_policy.vocabulary import Category
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.errors import UnrecordableError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.outbox import Letter, mark_delivered, opened
from risk_receivers.store.writer import Transaction

_OWED: Final = (
    "SELECT id, channel, subject, kind, body, created_at FROM message "
    "WHERE id = ? AND delivered_at IS NULL"
)


def record_delivery(transaction: Transaction, number: int) -> None:
    """Note that a channel has confirmed a message; once, however often that is said."""
    row = transaction.connection.execute(_OWED, (number,)).fetchone()
    mark_delivered(transaction.connection, number, transaction.now)
    if row is None or row[1] in UNSEEN:
        return
    letter = Letter(*row)
    try:
        event = _event(letter, _content(letter))
    except (msgspec.MsgspecError, UnrecordableError):
        event = _event(letter, {})  # that somebody was told is on record, whatever it was
    transaction.append(event)


def _event(letter: Letter, content: dict[str, JsonValue]) -> AuditEvent:
    return AuditEvent(
        EventType.NOTIFICATION_SENT,
        f"{letter.channel} has confirmed a message: {letter.kind} {letter.subject}",
        category=Category.SYSTEM,
        details={
            "channel": letter.channel,
            "message": letter.number,
            "subject": letter.subject,
            "kind": letter.kind,
            "due_at": letter.due_at,
            **content,
        },
        action_taken="told people",
    )


def _content(letter: Letter) -> dict[str, JsonValue]:
    """What people were told, before any template had its way with it."""
    message, unique = opened(letter)
    return {
        "message_id": unique,
        "severity": message.severity.value,
        "title": message.title,
        "text": message.text,
        "tells_of_record": message.audit_seq,
    }
