"""What happened, before it is chained.

Invariant: an event that exists can be recorded. Its payload is checked and encoded when it is
made, in the thread that made it, so that the writer never meets a value it has to refuse and
nothing that is changed afterwards can change what is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct, field, structs

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.errors import UnrecordableError
from risk_receivers.audit.payload import Payload


def _new_id() -> str:
    """A random UUID of version 4, in half the time that ``uuid4`` takes."""
    random = os.urandom(16).hex()
    variant = "89ab"[int(random[16], 16) & 3]
    return f"{random[:8]}-{random[8:12]}-4{random[13:16]}-{variant}{random[17:20]}-{random[20:]}"


class AuditEvent(Struct, frozen=True):
    """One event for the chain. Raises UnrecordableError for what cannot be hashed exactly.

    Attributes:
        details: JSON without floats: money and ratios are decimal strings.
        payload: the canonical bytes that are stored and hashed.
    """

    event_type: EventType
    message: str
    severity: Severity | None = None
    category: Category | None = None
    alert_id: str | None = None
    trade_id: str | None = None
    position_id: str | None = None
    details: Mapping[str, JsonValue] = {}
    action_taken: str = ""
    action_reason: str = ""
    actor_type: ActorType = ActorType.SYSTEM
    actor_id: str | None = None
    id: str = field(default_factory=_new_id)
    payload: bytes = b""

    def __post_init__(self) -> None:
        if not isinstance(self.event_type, EventType):
            raise UnrecordableError(f"event_type is {self.event_type!r}; it must be an EventType")
        encoded = Payload(
            id=self.id,
            message=self.message,
            severity=self.severity,
            category=self.category,
            alert_id=self.alert_id,
            trade_id=self.trade_id,
            position_id=self.position_id,
            details=self.details,
            action_taken=self.action_taken,
            action_reason=self.action_reason,
            actor_type=self.actor_type,
            actor_id=self.actor_id,
        ).encode()
        structs.force_setattr(self, "payload", encoded)
