"""What becomes of a message that its channel does not deliver: the next channel takes it over.

One transaction holds all of it: the dead letter, the message that the next channel owes now, and
the audit events that tell of both. A channel takes a message over once, and never one that it
owes or has delivered already, so that no list of fallbacks makes a message go round in circles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels import outbox
from risk_receivers.channels.delivered import record_delivery
from risk_receivers.channels.outbox import Letter
from risk_receivers.database.connection import Connection
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

#: Who takes over from whom, in order; only channels that are enabled.
Fallbacks = Mapping[str, Sequence[str]]

_ORIGIN: Final = (
    "SELECT message.id, message.channel FROM takeover JOIN message ON message.id = origin "
    "WHERE takeover.id = ?"
)
_TAKE: Final = (
    "INSERT INTO message (subject, channel, kind, body, created_at) "
    "SELECT subject, ?, kind, body, ? FROM message WHERE id = ? RETURNING id"
)


_AS_URGENT: Final = (
    "INSERT INTO urgent_message (id) SELECT ? WHERE ? IN (SELECT id FROM urgent_message)"
)


def next_taker(connection: Connection, fallbacks: Fallbacks, letter: Letter) -> str | None:
    """Who is next to deliver a message; None if everybody owes it, has it or had it."""
    has_it = {
        channel
        for (channel,) in connection.execute(
            "SELECT channel FROM message WHERE subject = ? AND kind = ?",
            (letter.subject, letter.kind),
        )
    }
    _, first = _origin(connection, letter)
    for channel in _in_turn(fallbacks, first, letter.channel):
        if channel not in has_it:
            return channel
    return None


def hand_over(
    transaction: Transaction, fallbacks: Fallbacks, number: int, reason: str
) -> str | None:
    """Let the next channel take an owed message over; which it is.

    Without one nothing changes, and the message is tried on.
    """
    letter = outbox.letter(transaction.connection, number)
    if letter is None:
        return None
    taker = next_taker(transaction.connection, fallbacks, letter)
    if taker is not None:
        _bury(transaction, letter, reason, taker)
        _take_over(transaction, letter, reason, taker)
    return taker


def give_up(transaction: Transaction, fallbacks: Fallbacks, number: int, reason: str) -> str | None:
    """Note that a message is not tried any more; who takes it over, if there is anybody."""
    letter = outbox.letter(transaction.connection, number)
    if letter is None:
        return None
    taker = next_taker(transaction.connection, fallbacks, letter)
    _bury(transaction, letter, reason, taker)
    if taker is not None:
        _take_over(transaction, letter, reason, taker)
    return taker


def reached_some(transaction: Transaction, number: int, reason: str) -> None:
    """Note that a message was delivered, and not to all it is for: nobody takes it over.

    Whoever has it would be told twice. Who lacks it is for somebody to see to.
    """
    letter = outbox.letter(transaction.connection, number)
    if letter is None:
        return
    record_delivery(transaction, number)
    _bury(transaction, letter, reason, None, what="did not reach all it is for")


def _in_turn(fallbacks: Fallbacks, first: str, failed: str) -> Iterator[str]:
    """Whoever it was written for decides who is asked, and after those the one that failed."""
    yield from fallbacks.get(first, ())
    yield from fallbacks.get(failed, ())


def _origin(connection: Connection, letter: Letter) -> tuple[int, str]:
    found: tuple[int, str] | None = connection.execute(_ORIGIN, (letter.number,)).fetchone()
    return found or (letter.number, letter.channel)


def _bury(
    transaction: Transaction,
    letter: Letter,
    reason: str,
    taker: str | None,
    *,
    what: str = "was given up",
) -> None:
    transaction.connection.execute(
        "INSERT INTO dead_message (id, at, reason) VALUES (?, ?, ?)",
        (letter.number, to_text(transaction.now), reason),
    )
    transaction.append(
        AuditEvent(
            EventType.NOTIFICATION_FAILED,
            f"a message through {letter.channel} {what}: {reason}",
            severity=Severity.WARNING,
            category=Category.SYSTEM,
            details={**_facts(letter, reason), "taken_over_by": taker or ""},
        )
    )


def _take_over(transaction: Transaction, letter: Letter, reason: str, taker: str) -> None:
    connection = transaction.connection
    now = to_text(transaction.now)
    origin, first = _origin(connection, letter)
    (number,) = connection.execute(_TAKE, (taker, now, letter.number)).fetchone()
    connection.execute(_AS_URGENT, (number, letter.number))
    connection.execute(
        "INSERT INTO takeover (id, failed, origin, at) VALUES (?, ?, ?, ?)",
        (number, letter.number, origin, now),
    )
    transaction.append(
        AuditEvent(
            EventType.NOTIFICATION_FAILED_OVER,
            f"{taker} takes a message over from {letter.channel}: {reason}",
            severity=Severity.WARNING,
            category=Category.SYSTEM,
            details={
                **_facts(letter, reason),
                "to": taker,
                "message_there": number,
                "written_for": first,
            },
            action_taken=f"handed over to {taker}",
        )
    )


def _facts(letter: Letter, reason: str) -> dict[str, JsonValue]:
    return {
        "channel": letter.channel,
        "message": letter.number,
        "subject": letter.subject,
        "kind": letter.kind,
        "reason": reason,
    }
