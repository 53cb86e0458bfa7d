"""What a work may do inside a commit: use the connection, append to the chain."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from risk_policy.contracts.audit import SALT_BYTES
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head, follow
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.connection import DATABASE_ERRORS, Connection, DatabaseError
from risk_receivers.store.errors import StoreError

T = TypeVar("T")
#: As many as the kernel draws without a pause.
_SALTS: Final = 16


@dataclass(slots=True)
class AtEnd(Generic[T]):
    """What is found once all works of a commit are done; there when a work is answered."""

    found: T | None = None


@dataclass(slots=True)
class Transaction:
    """Handed to a work on the writer's thread, inside BEGIN IMMEDIATE.

    A work must not commit, roll back or keep this beyond its own end. Its savepoint is the
    writer's: if the work raises, everything it did is undone, its appends included.

    Attributes:
        connection: the database, for the work's own tables.
        now: one UTC time for the whole commit.
        head: where the chain ends at this point of the transaction.
        appended: the types of the events appended so far, and ``checksums`` theirs.
        failure: why an append could not be stored; such a commit never succeeds.
    """

    connection: Connection
    now: datetime
    head: Head
    origin: str
    retention: AuditRetention
    appended: list[str] = field(default_factory=list)
    checksums: list[bytes] = field(default_factory=list)
    failure: DatabaseError | None = None
    closed: bool = False
    _salts: list[bytes] = field(default_factory=list, repr=False)
    _at_end: dict[Callable[[Transaction], Any], AtEnd[Any]] = field(default_factory=dict)

    def append(self, event: AuditEvent) -> int:
        """Chains the event and returns its seq."""
        if self.closed:
            raise StoreError("this transaction is over; append inside the work it was given to")
        record = follow(
            self.head,
            event,
            origin=self.origin,
            recorded_at=self.now,
            keep_days=self.retention.days_for(event.event_type),
            salt=self._salt(),
        )
        try:
            tables.insert(self.connection, record)
        except DATABASE_ERRORS as error:
            # Half a record may stand there now. Even a work that shrugs must not commit it.
            self.failure = error
            raise
        self.head = record.head
        self.appended.append(str(event.event_type))
        self.checksums.append(record.checksum)
        return record.seq

    def _salt(self) -> bytes:
        """Random bytes, several salts at a time: each asking costs as much as a hash."""
        if not self._salts:
            drawn = secrets.token_bytes(_SALTS * SALT_BYTES)
            self._salts = [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]
        return self._salts.pop()

    def at_end(self, find: Callable[[Transaction], T]) -> AtEnd[T]:
        """What ``find`` finds after the last work of this commit: once, however many ask.

        It only reads. What it raises ends the writer: what holds then is known to nobody.
        """
        return self._at_end.setdefault(find, AtEnd())

    def settle(self) -> None:
        """Find it. For the writer, before it commits."""
        for find, asked in self._at_end.items():
            asked.found = find(self)
