"""What the chain itself says about its keys: from where on it is signed, and by which."""

from __future__ import annotations

from typing import Final

from risk_policy.contracts.audit import VERIFIER_KEY, EventType
from risk_policy.vocabulary import Category
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.note import VerifierKey
from risk_receivers.database.connection import Connection
from risk_receivers.facts import fact, keep_fact
from risk_receivers.store.transaction import Transaction

_FACT: Final = "signing_key"


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
