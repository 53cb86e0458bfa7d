"""Keep what could not be read: stored with the reason, on record once, counted every time."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.intake.alert import Feed, Malformed
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

#: Enough to see what it was; the digest is that of the whole.
_KEPT_BYTES: Final = 65_536
_REASON_CHARACTERS: Final = 300
_TOLD_BYTES: Final = 500
_FIGURES: Final = re.compile(rb"[0-9][0-9.,]*")


def quarantine(
    transaction: Transaction,
    outbox: Outbox,
    feed: Feed,
    malformed: Malformed,
    received_at: datetime,
) -> int:
    """Store one piece; the same bytes again only count. How many messages that makes."""
    digest = hashlib.sha256(malformed.raw).hexdigest()
    reason = malformed.reason.encode("utf-8", "replace").decode()[:_REASON_CHARACTERS]
    at = to_text(received_at)
    known = transaction.connection.execute(
        "UPDATE quarantine SET seen = seen + 1, last_at = ? WHERE feed = ? AND digest = ?",
        (at, feed.value, digest),
    ).rowcount
    if known:
        return 0
    transaction.connection.execute(
        "INSERT INTO quarantine (feed, digest, reason, content, size, seen, first_at, last_at) "
        "VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
        (feed.value, digest, reason, malformed.raw[:_KEPT_BYTES], len(malformed.raw), at, at),
    )
    severity = Severity.CRITICAL if malformed.asks else Severity.WARNING
    told = f"the {feed.value} feed delivered what cannot be read: {reason}"
    seq = transaction.append(
        AuditEvent(
            EventType.INTAKE_QUARANTINED,
            told,
            severity=severity,
            category=Category.SYSTEM,
            details={
                "feed": feed.value,
                "sha256": digest,
                "size": len(malformed.raw),
                "reason": reason,
                "received_at": at,
            },
            action_taken="quarantined",
        )
    )
    if not malformed.asks:
        return 0
    content = malformed.raw[:_TOLD_BYTES].decode("utf-8", "replace")
    return outbox.owe(
        transaction.connection,
        Message(
            subject=f"quarantine:{_told_as(malformed, digest)}",
            kind=Kind.QUARANTINED,
            severity=severity,
            title="ALERT QUARANTINED",
            text=f"{told}: {content}",
            at=transaction.now,
            audit_seq=seq,
        ),
    )


def _told_as(malformed: Malformed, digest: str) -> str:
    """What people are told of once: every repeat has other times, and other figures."""
    if not malformed.varies:
        return digest
    return hashlib.sha256(_FIGURES.sub(b"0", malformed.raw[:_KEPT_BYTES])).hexdigest()
