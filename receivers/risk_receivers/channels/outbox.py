"""Messages as rows, written in the transaction that made them due.

A message is owed once per (subject, kind, channel), however often the reason for it repeats,
and it stays owed until a channel has confirmed it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import structs

from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Message
from risk_receivers.schema import to_text

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

    def owe(self, connection: sqlite3.Connection, message: Message) -> int:
        """Write a message for every channel that lets its severity through; how many are new."""
        body = _encode(structs.replace(message, id=uuid4().hex))
        at = to_text(message.at)
        new = 0
        for channel, least in self._min_severity.items():
            if message.severity.rank >= least.rank:
                cursor = connection.execute(
                    _INSERT, (message.subject, channel, message.key, body, at)
                )
                new += cursor.rowcount
        return new


def owed(connection: sqlite3.Connection, channel: str, limit: int) -> Sequence[tuple[int, Message]]:
    """Undelivered messages of a channel, oldest first."""
    rows = connection.execute(
        "SELECT id, body FROM message WHERE channel = ? AND delivered_at IS NULL "
        "ORDER BY id LIMIT ?",
        (channel, limit),
    )
    return [(number, _decode(body)) for number, body in rows]


def mark_delivered(connection: sqlite3.Connection, number: int, at: datetime) -> None:
    """Note that a channel has confirmed a message."""
    connection.execute(
        "UPDATE message SET delivered_at = ? WHERE id = ? AND delivered_at IS NULL",
        (to_text(at), number),
    )
