"""What the chain itself says about its keys: from where on it is signed, and by which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import NEW_VERIFIER_KEY, VERIFIER_KEY, ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.note import VerifierKey
from risk_receivers.database.connection import Connection
from risk_receivers.facts import fact, keep_fact
from risk_receivers.store.transaction import Transaction
from risk_receivers.tokens.registry import Doing

_FACT: Final = "signing_key"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One key takes over from another."""

    old: VerifierKey
    new: VerifierKey


def known_key(connection: Connection) -> str | None:
    """The verifier key that is in force by the record; None if none was ever named."""
    return fact(connection, _FACT)


def introduce(transaction: Transaction, key: VerifierKey) -> None:
    """Name the chain's first key on record, once."""
    if known_key(transaction.connection) is not None:
        return
    transaction.append(
        AuditEvent(
            EventType.SIGNING_BEGAN,
            f"from here on checkpoints are signed by {key.short}",
            category=Category.SECURITY,
            details={VERIFIER_KEY: str(key), "from_seq": transaction.head.size + 1},
        )
    )
    keep_fact(transaction.connection, _FACT, str(key))


def begin_anew(transaction: Transaction, rotation: Rotation, doing: Doing) -> None:
    """Put on record that a key signs from here on to which the lost one could not hand over."""
    transaction.append(
        AuditEvent(
            EventType.SIGNING_BEGAN,
            f"from here on checkpoints are signed by {rotation.new.short}: {rotation.old.short} is "
            "lost and could not hand over",
            severity=Severity.CRITICAL,
            category=Category.SECURITY,
            details={
                VERIFIER_KEY: str(rotation.new),
                "lost_key": str(rotation.old),
                "from_seq": transaction.head.size + 1,
                "token": doing.token,
                "address": doing.address,
            },
            action_reason=doing.reason,
            actor_type=ActorType.USER,
            actor_id=doing.actor,
        )
    )
    keep_fact(transaction.connection, _FACT, str(rotation.new))


def rotate(transaction: Transaction, rotation: Rotation, doing: Doing) -> None:
    """Put on record that a key takes over; both sign the checkpoint that covers this."""
    transaction.append(
        AuditEvent(
            EventType.SIGNING_KEY_ROTATED,
            f"{rotation.new.short} takes over from {rotation.old.short}, which signs once more",
            category=Category.SECURITY,
            details={
                VERIFIER_KEY: str(rotation.old),
                NEW_VERIFIER_KEY: str(rotation.new),
                "token": doing.token,
                "address": doing.address,
            },
            action_reason=doing.reason,
            actor_type=ActorType.USER,
            actor_id=doing.actor,
        )
    )
    keep_fact(transaction.connection, _FACT, str(rotation.new))
