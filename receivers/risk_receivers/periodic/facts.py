"""What the audit chain tells, record by record, each looked at by itself.

The chain as a whole is verified as `riskwarden audit verify` does it; records that it complains
of are no facts. What was never verified is never passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from risk_receivers.audit import tables
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.header import timestamp
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import CheckedRecord, check_record
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import Progress
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place
from risk_receivers.verification import verify_store

#: More problems than anybody reads one by one; each of their records is left out, though.
_MOST_PROBLEMS: Final = 100_000
_ROWS_BETWEEN_PROGRESS: Final = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact:
    """One event.

    Attributes:
        payload: None once it is gone, which leaves what happened and when.
    """

    seq: int
    type: str
    at: datetime
    payload: Payload | None

    @property
    def details(self) -> Mapping[str, JsonValue]:
        """What it tells; nothing once its payload is gone."""
        return self.payload.details if self.payload else {}

    def text(self, name: str) -> str:
        """A detail that is text; empty if there is none of that name."""
        found = self.details.get(name)
        return found if isinstance(found, str) else ""

    def table(self, name: str) -> dict[str, str]:
        """A detail that is a table of texts, such as labels."""
        found = self.details.get(name)
        if not isinstance(found, Mapping):
            return {}
        return {key: value for key, value in found.items() if isinstance(value, str)}


@dataclass(slots=True)
class Chain:
    """A chain that was verified, to be read.

    Attributes:
        damaged: records that were left out when it was last read.
        unread: why it could not be read to its end; empty if it could.
    """

    place: Place
    verification: Verification
    damaged: int = 0
    unread: str = ""

    def read(
        self,
        until: datetime,
        make: Callable[[Iterator[Fact]], T],
        progress: Progress | None = None,
    ) -> T:
        """What is made of every event before a time, in order; it may be made more than once.

        Raises UnreadableDatabaseError.
        """
        return tables.read(
            self.place, lambda connection: make(self._facts(connection, until, progress))
        )

    def _facts(
        self, connection: Connection, until: datetime, progress: Progress | None
    ) -> Iterator[Fact]:
        self.damaged, self.unread = 0, ""
        suspects = {one.seq for one in self.verification.problems if one.seq is not None}
        held: Fact | None = None
        last = timestamp(until)
        total = self.verification.events
        try:
            for done, row in enumerate(tables.rows(connection), 1):
                if progress and done % _ROWS_BETWEEN_PROGRESS == 0:
                    progress(done, max(done, total))
                is_later = isinstance(row.header, bytes) and _recorded_at(row.header) >= last
                is_suspect = row.seq in suspects
                if is_later and not (is_suspect and held):
                    continue
                record = check_record(row)
                # A broken link does not tell which of its two records was changed.
                if held is not None and is_suspect and not record.problems:
                    held = None
                    self.damaged += 1
                if held is not None:
                    yield held
                held = None if is_suspect or is_later else _fact(record)
                self.damaged += held is None and not is_later
        except DATABASE_ERRORS as error:
            self.unread = str(error)
        if held is not None:
            yield held


def verified(
    place: Place, *, signing_key: Path | None = None, progress: Progress | None = None
) -> Chain:
    """A chain, verified whole. Raises UnreadableDatabaseError."""
    verification = verify_store(
        place, signing_key=signing_key, progress=progress, keep=_MOST_PROBLEMS
    )
    return Chain(place, verification)


def _fact(record: CheckedRecord) -> Fact | None:
    header = record.header
    if header is None or record.problems:
        return None
    return Fact(header.seq, str(header.event_type), header.recorded_at, record.payload)


def _recorded_at(header: bytes) -> str:
    """When it was recorded, as it stands there; the beginning of time if nobody can tell."""
    _, _, rest = header.partition(b'"recorded_at":"')
    return rest[: rest.find(b'"')].decode("ascii", "replace")
