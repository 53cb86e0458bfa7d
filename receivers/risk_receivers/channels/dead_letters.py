"""Messages that were given up: what became of each, sending them again, and letting them be.

One that was delivered to some of those it is for, while the others were refused for good, is among
them until somebody has seen to it.

A message and those that took over from it are one piece of news. As long as any of them is on its
way or was confirmed, somebody is told or was, and sending another of them again would tell people
twice. Only where all of them were given up is it lost, until somebody sends one of them again or
says that nobody needs it any more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.connection import Connection
from risk_receivers.errors import ReceiversError
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

#: All that were given up, each with who told people instead (empty if that was decided to be
#: needless), and with which channel is about to.
_DEAD: Final = """
WITH dead AS (
    SELECT message.id, channel, subject, kind, created_at, dead_message.at, reason, told_by,
        delivered_at IS NOT NULL AS partly,
        coalesce(takeover.origin, message.id) AS origin
    FROM dead_message JOIN message USING (id)
        LEFT JOIN takeover USING (id) LEFT JOIN dealt_with USING (id)
)
SELECT dead.id, dead.channel, dead.subject, dead.kind, dead.created_at, dead.at, dead.reason,
    told_by, partly, min(CASE WHEN other.delivered_at IS NULL
        AND other.id NOT IN (SELECT id FROM dead_message) THEN other.channel END) AS waiting
FROM dead LEFT JOIN message AS other ON other.id = dead.origin
    OR other.id IN (SELECT id FROM takeover WHERE takeover.origin = dead.origin)
"""
_EACH: Final = (
    " GROUP BY dead.id, dead.channel, dead.subject, dead.kind, dead.created_at, dead.at, "
    "dead.reason, told_by, partly"
)
_LOST: Final = "told_by IS NULL AND waiting IS NULL"


class Fate(StrEnum):
    """What became of the news in a message that was given up."""

    LOST = "lost"
    PARTLY = "partly told"
    DISMISSED = "dismissed"
    TAKEN_OVER = "taken over"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up.

    Attributes:
        fate: what became of its news, and ``by`` which channel has it, or had it confirmed.
    """

    number: int
    channel: str
    subject: str
    kind: str
    due_at: str
    given_up_at: str
    reason: str
    fate: Fate
    by: str


class ResendError(ReceiversError):
    """A message cannot be sent again, and says why."""


def dead_letters(connection: Connection, most: int) -> list[DeadLetter]:
    """Those that were given up, the latest first."""
    rows = connection.execute(f"{_DEAD}{_EACH} ORDER BY dead.id DESC LIMIT ?", (most,))
    return [_read(row) for row in rows]


def lost_by_channel(connection: Connection) -> dict[str, int]:
    """How many messages of each channel somebody was not told of, and wait for somebody."""
    return dict(
        connection.execute(
            f"SELECT channel, count(*) FROM ({_DEAD}{_EACH}) AS dead "  # noqa: S608 - constants
            f"WHERE {_LOST} GROUP BY channel"
        )
    )


def resend(
    transaction: Transaction, number: int, channels: Collection[str], *, actor: str
) -> DeadLetter:
    """Owe a message that was given up once more, and put on record who wanted it.

    Raises:
        ResendError: there is none, its channel is gone, or people are told of it otherwise.
    """
    connection = transaction.connection
    dead = _one(connection, number)
    if dead.fate is Fate.DELIVERED:
        raise ResendError(f"message {number} was confirmed by {dead.by}; people have it")
    if dead.fate is Fate.TAKEN_OVER:
        raise ResendError(f"{dead.by} delivers message {number}; it is on its way")
    if dead.channel not in channels:
        raise ResendError(f"channel {dead.channel} of message {number} is not enabled any more")
    connection.execute("DELETE FROM dead_message WHERE id = ?", (number,))
    connection.execute(
        "UPDATE message SET created_at = ?, delivered_at = NULL WHERE id = ?",
        (to_text(transaction.now), number),
    )
    connection.execute("DELETE FROM dealt_with WHERE id = ?", (number,))
    _record(
        transaction,
        dead,
        EventType.NOTIFICATION_RESENT,
        f"{actor} has a message sent again through {dead.channel}",
        actor,
    )
    return dead


def resend_all(
    transaction: Transaction, channels: Collection[str], *, actor: str
) -> list[DeadLetter]:
    """Owe everything that is lost once more; what that is."""
    lost = [
        number
        for number, channel in transaction.connection.execute(
            f"SELECT id, channel FROM ({_DEAD}{_EACH}) AS dead "  # noqa: S608 - constants
            f"WHERE {_LOST} AND NOT partly ORDER BY id"
        ).fetchall()
        if channel in channels
    ]
    sent: list[DeadLetter] = []
    for number in lost:
        try:
            sent.append(resend(transaction, number, channels, actor=actor))
        except ResendError:  # the same news is on its way again, by one before this
            continue
    return sent


def dismiss(transaction: Transaction, number: int, *, actor: str, comment: str) -> DeadLetter:
    """Let a lost message be, and put on record who decided that and why.

    Raises:
        ResendError: there is none that waits for somebody.
    """
    connection = transaction.connection
    dead = _one(connection, number)
    if dead.fate not in (Fate.LOST, Fate.PARTLY):
        raise ResendError(f"message {number} is {dead.fate} and waits for nobody")
    connection.execute("INSERT INTO dealt_with (id, told_by) VALUES (?, '')", (number,))
    said = f"{actor} lets a message be that {dead.channel} gave up"
    _record(transaction, dead, EventType.NOTIFICATION_DISMISSED, said, actor, comment)
    return dead


def _one(connection: Connection, number: int) -> DeadLetter:
    row = connection.execute(f"{_DEAD} WHERE dead.id = ?{_EACH}", (number,)).fetchone()
    if row is None:
        raise ResendError(
            f"message {number} was not given up; see riskwarden channels dead-letters"
        )
    return _read(row)


def _record(
    transaction: Transaction,
    dead: DeadLetter,
    event_type: EventType,
    said: str,
    actor: str,
    comment: str = "",
) -> None:
    transaction.append(
        AuditEvent(
            event_type,
            said,
            severity=Severity.INFO,
            category=Category.SYSTEM,
            details={
                "channel": dead.channel,
                "message": dead.number,
                "subject": dead.subject,
                "kind": dead.kind,
                "given_up_at": dead.given_up_at,
                "reason": dead.reason,
            },
            action_reason=comment,
            actor_type=ActorType.USER,
            actor_id=actor,
        )
    )


def _read(row: tuple[Any, ...]) -> DeadLetter:
    number, channel, subject, kind, due_at, given_up_at, reason, told_by, partly, waiting = row
    fate = Fate.LOST if told_by is None else Fate.DISMISSED
    if partly and told_by is None:
        fate = Fate.PARTLY
    elif told_by:
        fate = Fate.DELIVERED
    elif waiting:
        fate = Fate.TAKEN_OVER
    by = told_by or waiting or ""
    return DeadLetter(number, channel, subject, kind, due_at, given_up_at, reason, fate, by)
