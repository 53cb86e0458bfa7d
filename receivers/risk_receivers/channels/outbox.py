"""Messages as rows, written in the transaction that made them due.

A message is owed once per (subject, kind, channel), however often the reason for it repeats,
and it stays owed until a channel has confirmed it or it was given up, which is on record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import structs

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels import attempts
from risk_receivers.channels.message import Message
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode
_INSERT: Final = (
    "INSERT OR IGNORE INTO message (subject, channel, kind, body, created_at) "
    "VALUES (?, ?, ?, ?, ?)"
)


class Outbox:
    """Decides which channels owe a message, and writes it down."""

    def __init__(self, min_severity: Mapping[str, Severity]) -> None:
        self._min_severity = dict(min_severity)

    @property
    def channels(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._min_severity)

    @property
    def channels_by_severity(self) -> dict[Severity, tuple[str, ...]]:
        """The channels, by the least severity that they let through."""
        return {
            least: tuple(name for name, its in self._min_severity.items() if its is least)
            for least in dict.fromkeys(self._min_severity.values())
        }

    def reaches(self, message: Message) -> bool:
        """Whether any channel lets a message through."""
        return any(message.severity.rank >= least.rank for least in self._min_severity.values())

    def owe(
        self,
        connection: sqlite3.Connection,
        message: Message,
        channels: Collection[str] | None = None,
    ) -> int:
        """Write a message for every channel that lets its severity through; how many are new.

        With ``channels``, for those among them only.
        """
        body = _encode(structs.replace(message, id=uuid4().hex))
        at = to_text(message.at)
        new = 0
        for channel, least in self._min_severity.items():
            is_meant = channels is None or channel in channels
            if is_meant and message.severity.rank >= least.rank:
                cursor = connection.execute(
                    _INSERT, (message.subject, channel, message.key, body, at)
                )
                new += cursor.rowcount
        return new


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lies in the store, not read yet: what is in it may be nonsense."""

    number: int
    subject: str
    kind: str
    body: bytes


def owed(connection: sqlite3.Connection, channel: str, after: int, limit: int) -> list[Letter]:
    """Messages of a channel that are neither delivered nor given up, oldest first."""
    rows = connection.execute(
        "SELECT id, subject, kind, body FROM message "
        "WHERE channel = ? AND delivered_at IS NULL AND id > ? "
        "AND id NOT IN (SELECT id FROM dead_message) ORDER BY id LIMIT ?",
        (channel, after, limit),
    )
    return [Letter(*row) for row in rows]


def opened(letter: Letter) -> tuple[Message, str]:
    """What a letter says, and its unique id. Raises msgspec's errors."""
    message = _decode(letter.body)
    return message, message.id or str(letter.number)  # those of an older version have none


def give_up(transaction: Transaction, channel: str, letter: Letter, reason: str) -> None:
    """Note that a message is not tried any more."""
    new = transaction.connection.execute(
        "INSERT OR IGNORE INTO dead_message (id, at, reason) VALUES (?, ?, ?)",
        (letter.number, to_text(transaction.now), reason),
    ).rowcount
    if new:
        transaction.append(
            AuditEvent(
                EventType.NOTIFICATION_FAILED,
                f"a message through {channel} was given up: {reason}",
                severity=Severity.WARNING,
                category=Category.SYSTEM,
                details={
                    "channel": channel,
                    "message": letter.number,
                    "subject": letter.subject,
                    "kind": letter.kind,
                    "reason": reason,
                },
            )
        )


def mark_delivered(connection: sqlite3.Connection, number: int, at: datetime) -> None:
    """Note that a channel has confirmed a message."""
    connection.execute(
        "UPDATE message SET delivered_at = ? WHERE id = ? AND delivered_at IS NULL",
        (to_text(at), number),
    )
    attempts.forget(connection, number)
