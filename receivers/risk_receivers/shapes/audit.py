"""The audit chain."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


@WHOLE
class Header(TypedDict):
    """The kept part of an audit event."""

    seq: int
    event_type: str
    recorded_at: Time
    expires_at: Time | None
    origin: str
    previous_checksum: str


@WHOLE
class Payload(TypedDict):
    """The part of an audit event that retention deletes in time."""

    id: str
    message: str
    severity: str | None
    category: str | None
    alert_id: str | None
    trade_id: str | None
    position_id: str | None
    details: dict[str, Any]
    action_taken: str
    action_reason: str
    actor_type: str
    actor_id: str | None


@WHOLE
class Event(TypedDict):
    """An audit event; ``deleted_by`` is the record of the retention that deleted its payload."""

    header: Header
    checksum: str
    deleted_by: int | None
    payload: Payload | None


@WHOLE
class Head(TypedDict):
    """Where the chain ends."""

    size: int
    checksum: str


@WHOLE
class Events(TypedDict):
    """Audit events, the oldest first unless asked otherwise.

    Not ``complete`` means that there are records beyond ``searched_to`` that nobody looked at: ask
    again with ``after_seq`` of that, or ``before_seq``.
    """

    events: list[Event]
    searched_to: int
    complete: bool
    head: Head


@WHOLE
class Rotated(TypedDict):
    """Verifier keys, and how far the chain is signed."""

    old: str
    new: str
    signed: int


@WHOLE
class SignedRecord(TypedDict):
    """That a record is in the signed chain.

    ``header`` is the leaf, ``inclusion`` the proof (RFC 9162) to the root of ``checkpoint``, a
    signed note; ``tlog_proof`` is the two in one (c2sp.org/tlog-proof).
    """

    seq: int
    header: str
    head: str
    inclusion: list[str]
    checkpoint: str
    tlog_proof: str
