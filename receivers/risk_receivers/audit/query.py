"""The read side: records as typed values, for the API, the console and live views.

A record that is not what was written is never shown as if it were: with ``validate`` (the
policy's ``validate_on_read``) every record is checked by itself, and damage is an error that
names it. Links between records are the verifier's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.errors import DamagedRecordError
from risk_receivers.audit.header import Header
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.retained import Missing
from risk_receivers.audit.retention_records import Known
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.shapes.audit import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A record read back.

    Attributes:
        event_type: plain text if a newer version wrote a type that this one does not know.
        payload: None once retention has deleted it.
        deleted_by: the record of that retention; None if nobody looked, or it is there.
    """

    seq: int
    event_type: EventType | str
    recorded_at: datetime
    expires_at: datetime | None
    origin: str
    checksum: str
    previous_checksum: str
    payload: Payload | None
    deleted_by: int | None = None


def events(
    source: Place | Connection,
    after_seq: int = 0,
    limit: int = 100,
    *,
    validate: bool = True,
    known: Known | None = None,
) -> list[StoredEvent]:
    """The first ``limit`` events beyond ``after_seq``, in order.

    What was ``known`` of retention is kept there for the next question. Raises DamagedRecordError
    for a record that is not what was written.
    """

    def ask(connection: Connection) -> list[StoredEvent]:
        missing = (known or Known()).missing(connection) if validate else None
        return [_event(row, missing) for row in tables.rows_after(connection, after_seq, limit)]

    return _ask(source, ask)


def head(source: Place | Connection) -> Head:
    """Where the chain ends."""
    return _ask(source, tables.head)


def _ask(source: Place | Connection, ask: Callable[[Connection], T]) -> T:
    return tables.read(source, ask) if isinstance(source, Place) else ask(source)


def _event(row: StoredRow, missing: Missing | None) -> StoredEvent:
    """A row's event. ``missing`` says of payloads that are gone why; without it nothing is checked.

    Raises DamagedRecordError.
    """
    record = check_record(row)
    header = record.header
    problems = list(record.problems)
    deleted_by = None
    if header is not None and record.is_gone and missing:
        why = missing.explain(header)
        if isinstance(why, str):
            problems.append(why)
        else:
            deleted_by = why.seq
    if header is None or record.checksum is None or (missing and problems):
        raise DamagedRecordError(row.seq if isinstance(row.seq, int) else None, "; ".join(problems))
    return stored_event(header, record.checksum, record.payload, deleted_by)


def stored_event(
    header: Header, checksum: bytes, payload: Payload | None, deleted_by: int | None = None
) -> StoredEvent:
    """The event of a record that was checked."""
    return StoredEvent(
        seq=header.seq,
        event_type=header.event_type,
        recorded_at=header.recorded_at,
        expires_at=header.expires_at,
        origin=header.origin,
        checksum=checksum.hex(),
        previous_checksum=header.previous_checksum,
        payload=payload,
        deleted_by=deleted_by,
    )


def as_json(event: StoredEvent) -> Event:
    """The event as programs are given it."""
    payload = event.payload
    return {
        "header": {
            "seq": event.seq,
            "event_type": str(event.event_type),
            "recorded_at": event.recorded_at.isoformat(),
            "expires_at": event.expires_at.isoformat() if event.expires_at else None,
            "origin": event.origin,
            "previous_checksum": event.previous_checksum,
        },
        "checksum": event.checksum,
        # The record of the retention that deleted the payload.
        "deleted_by": event.deleted_by,
        "payload": None
        if payload is None
        else {
            "id": payload.id,
            "message": payload.message,
            "severity": payload.severity,
            "category": payload.category,
            "alert_id": payload.alert_id,
            "trade_id": payload.trade_id,
            "position_id": payload.position_id,
            "details": dict(payload.details),
            "action_taken": payload.action_taken,
            "action_reason": payload.action_reason,
            "actor_type": payload.actor_type,
            "actor_id": payload.actor_id,
        },
    }
