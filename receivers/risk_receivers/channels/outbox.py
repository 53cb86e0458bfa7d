"""Messages as rows, written in the transaction that made them due.

A message is owed once per (subject, kind, channel), however often the reason for it repeats,
and it stays owed until a channel has confirmed it or it was given up, which is on record. That a
channel fails is never told through that one alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec
from msgspec import structs

from risk_policy.catalogue.system import CHANNEL_FAILING, DEAD_LETTERS
from risk_policy.model.names import UNSEEN
from risk_policy.vocabulary import Severity
from risk_receivers.channels import attempts
from risk_receivers.channels.message import Message
from risk_receivers.database.connection import Connection
from risk_receivers.schema import to_text

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode
#: Spelt as the index of owed messages has it.
_OWED: Final = "delivered_at IS NULL AND id NOT IN (SELECT id FROM dead_message)"
#: What says of a channel, which its risk_id names, that it fails.
_ABOUT_CHANNELS: Final = (CHANNEL_FAILING.limit, DEAD_LETTERS.limit)
_INSERT: Final = (
    "INSERT INTO message (subject, channel, kind, body, created_at) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
#: What was given up of the same news, by whichever channel had it.
_TOLD: Final = """
INSERT INTO dealt_with (id, told_by)
    SELECT dead_message.id, (SELECT channel FROM message WHERE id = :number)
    FROM dead_message, (
        SELECT coalesce((SELECT origin FROM takeover WHERE id = :number), :number) AS first
    ) AS news
    WHERE dead_message.id = first
        OR dead_message.id IN (SELECT id FROM takeover WHERE origin = first)
    ON CONFLICT (id) DO UPDATE SET told_by = excluded.told_by
"""
_URGENT: Final = "INSERT INTO urgent_message (id) VALUES (?)"


class Outbox:
    """Decides which channels owe a message, and writes it down."""

    def __init__(
        self,
        min_severity: Mapping[str, Severity],
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """``fallbacks`` are asked who tells people that a channel fails."""
        self._min_severity = dict(min_severity)
        self._fallbacks = dict(fallbacks or {})

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
        return bool(self._takers(message))

    def owe(
        self,
        connection: Connection,
        message: Message,
        channels: Collection[str] | None = None,
    ) -> int:
        """Write a message for every channel it is for; how many are new.

        With ``channels``, for those among them only.
        """
        takers = self._takers(message)
        return _write(
            connection, message, [one for one in takers if channels is None or one in channels]
        )

    def owe_to(self, connection: Connection, message: Message, channels: Collection[str]) -> int:
        """Write a message for these channels, whatever they let through; how many are new."""
        return _write(connection, message, [one for one in self._min_severity if one in channels])

    def _takers(self, message: Message) -> list[str]:
        """Whoever lets the severity through; news of a failing channel is for another, too."""
        loud = [
            channel
            for channel, least in self._min_severity.items()
            if message.severity.rank >= least.rank
        ]
        limit, _, failing = message.risk_id.partition("/")
        if limit not in _ABOUT_CHANNELS or any(one not in (failing, *UNSEEN) for one in loud):
            return loud
        others = [one for one in self._min_severity if one not in (failing, *UNSEEN)]
        others.sort(key=lambda one: self._min_severity[one].rank)  # who hears most comes first
        instead = next(
            (one for one in (*self._fallbacks.get(failing, ()), *others) if one in others), None
        )
        return loud if instead is None else [*loud, instead]


def _write(connection: Connection, message: Message, channels: Sequence[str]) -> int:
    body = _encode(structs.replace(message, id=uuid4().hex))
    at = to_text(message.at)
    new = 0
    for channel in channels:
        owed = connection.execute(
            _INSERT, (message.subject, channel, message.key, body, at)
        ).fetchone()
        new += owed is not None
        if owed and message.severity is Severity.EMERGENCY:
            connection.execute(_URGENT, owed)
    return new


class Waiting(NamedTuple):
    """A message that is owed: its number, what it is about, and whether it goes before others.

    An emergency does, and so does whatever was said before about the same.
    """

    number: int
    subject: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lies in the store, not read yet: what is in it may be nonsense."""

    number: int
    channel: str
    subject: str
    kind: str
    body: bytes
    due_at: str


def owed(connection: Connection, channel: str) -> list[Waiting]:
    """Messages of a channel that are neither delivered nor given up, oldest first."""
    rows = connection.execute(
        "SELECT id, subject, id IN (SELECT id FROM urgent_message) FROM message "  # noqa: S608
        f"WHERE channel = ? AND {_OWED} ORDER BY id",
        (channel,),
    ).fetchall()
    urgent = {subject for _, subject, is_urgent in rows if is_urgent}
    return [Waiting(number, subject, subject in urgent) for number, subject, _ in rows]


def owed_since(connection: Connection, channel: str) -> tuple[int, str | None]:
    """How many messages a channel owes, and since when the oldest of them."""
    count, since = connection.execute(
        f"SELECT count(*), min(created_at) FROM message WHERE channel = ? AND {_OWED}",  # noqa: S608
        (channel,),
    ).fetchone()
    return count, since


def overdue(connection: Connection, channel: str, before: datetime) -> list[int]:
    """The numbers of those that were due before a time."""
    rows = connection.execute(
        f"SELECT id FROM message WHERE channel = ? AND {_OWED} "  # noqa: S608
        "AND created_at <= ? ORDER BY id",
        (channel, to_text(before)),
    )
    return [number for (number,) in rows]


def owed_by_others(connection: Connection, channels: Collection[str], most: int) -> list[Letter]:
    """Messages of all but some channels, oldest first."""
    others = ", ".join("?" * len(channels))
    rows = connection.execute(
        "SELECT id, channel, subject, kind, body, created_at FROM message "  # noqa: S608
        f"WHERE channel NOT IN ({others}) AND {_OWED} ORDER BY id LIMIT ?",
        (*channels, most),
    )
    return [Letter(*row) for row in rows]


def letter(connection: Connection, number: int) -> Letter | None:
    """One message, unless it is not owed any more."""
    row = connection.execute(
        "SELECT id, channel, subject, kind, body, created_at FROM message "  # noqa: S608
        f"WHERE id = ? AND {_OWED}",
        (number,),
    ).fetchone()
    return None if row is None else Letter(*row)


def opened(letter: Letter) -> tuple[Message, str]:
    """What a letter says, and its unique id. Raises msgspec's errors."""
    message = _decode(letter.body)
    return message, message.id or str(letter.number)  # those of an older version have none


def mark_delivered(connection: Connection, number: int, at: datetime) -> None:
    """Note that a channel has confirmed a message, even one that was given up meanwhile.

    Nobody has to look after those any more from which it took over, or that took over from it.
    """
    connection.execute(
        "UPDATE message SET delivered_at = ? WHERE id = ? AND delivered_at IS NULL",
        (to_text(at), number),
    )
    connection.execute("DELETE FROM dead_message WHERE id = ?", (number,))
    connection.execute("DELETE FROM dealt_with WHERE id = ?", (number,))
    connection.execute(_TOLD, {"number": number})
    attempts.forget(connection, number)
