"""What the database says, read without leaving a trace.

Even a read-only connection of SQLite's writes: it marks in the shared index beside the database
what it reads. So the index is opened for reading alone, and a database at rest is read as it
stands, without looking for a writer. A server is asked within one transaction, in which it lets
nobody write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.errors import AuditError, UnreadableDatabaseError
from risk_receivers.audit.note import NoteError
from risk_receivers.audit.record import check_record
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Server
from risk_receivers.database.server import ServerConnection
from risk_receivers.errors import ReceiversError
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.restrictions import table as restrictions
from risk_receivers.restrictions.held import Held
from risk_receivers.store import head_file
from riskwarden.safety_snapshot.sources import DATABASE_SERVER, Sources

T = TypeVar("T")
_NAME: Final = "database"
#: Whatever a server says may name who asks and where it is; a snapshot is handed out.
_NO_ANSWER: Final = "it does not let us read: riskwarden audit verify says why"
_READ_ONLY: Final = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: How the header of such an event begins.
_ENDED: Final = f'{{"event_type":"{EventType.DRILL_ENDED.value}"'.encode()
#: A change of the write-ahead log may come in between; then it is read once more.
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class DrillEnd:
    """The end of a drill, as a chain has it."""

    drill_id: str
    scenario: str
    result: str
    environment: str
    operator: str
    ended_at: datetime
    record: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What a database says.

    Attributes:
        is_whole: whether the chain reaches the head that is noted beside it; None if none is.
    """

    head: Head
    noted: Head | None
    signed: TreeHead | None
    is_whole: bool | None
    last_recorded_at: datetime | None
    kills: KillBoard
    held: tuple[Held, ...]
    drills: Mapping[str, DrillEnd] = field(default_factory=dict)


def read_store(
    database: Path, scenarios: Collection[str], sources: Sources, server: Server | None = None
) -> Stored | None:
    """What the database of a stack says; None, and why is noted, if it cannot be read.

    Args:
        server: who keeps the record instead, if there is no such file.
    """
    if _is_there(database):
        place: Path | Server = database
    elif server is None:
        sources.absent(_NAME, database)
        return None
    else:
        place = server
    where = database if place is database else DATABASE_SERVER
    try:
        noted = head_file.read(database)  # before the chain, which may only grow meanwhile
        stored = _untouched(place, lambda connection: _stored(connection, where, noted, scenarios))
    except (*DATABASE_ERRORS, AuditError, ReceiversError, ValueError, OSError) as error:
        sources.unreadable(_NAME, where, _why(error) if place is database else _NO_ANSWER)
        return None
    sources.read(_NAME, where, stored.last_recorded_at)
    return stored


def drill_ends(database: Path, scenarios: Collection[str]) -> Mapping[str, DrillEnd]:
    """The last end of each drill in another chain; none where it cannot be read."""
    try:
        return _untouched(database, lambda connection: _drills(connection, database, scenarios))
    except (sqlite3.Error, AuditError, ValueError, OSError):
        return {}


def _stored(
    connection: Connection, where: Path | str, noted: Head | None, scenarios: Collection[str]
) -> Stored:
    head = tables.head(connection)
    row = tables.row_at(connection, head.size)
    header = check_record(row).header if row else None
    is_whole: bool | None = None
    if noted is not None:
        at = tables.row_at(connection, noted.size)
        reached = isinstance(at.checksum, bytes) and at.checksum.hex() if at else ""
        is_whole = noted.size == 0 or reached == noted.checksum
    return Stored(
        head=head,
        noted=noted,
        signed=_signed(connection),
        is_whole=is_whole,
        last_recorded_at=header.recorded_at if header else None,
        kills=journal.load(connection),
        held=tuple(restrictions.every(connection)),
        drills=_drills(connection, where, scenarios),
    )


def _signed(connection: Connection) -> TreeHead | None:
    """What the newest checkpoint says; whether it is signed by whom it should is for verify."""
    stored = checkpoint_table.newest(connection)
    if stored is None or not isinstance(stored.note, bytes):
        return None
    try:
        return Checkpoint.of(stored.note)[0].head
    except (NoteError, ValueError):
        return None


def _drills(
    connection: Connection, where: Path | str, scenarios: Collection[str]
) -> dict[str, DrillEnd]:
    """The last end of each scenario that is what was recorded."""
    found: dict[str, DrillEnd] = {}
    for row in tables.rows_beginning(connection, _ENDED):
        record = check_record(row)
        if record.problems or record.header is None or record.payload is None:
            continue  # damaged, or its payload was pruned: no evidence
        details = record.payload.details
        scenario = str(details.get("scenario", ""))
        if scenario in scenarios:  # a later one takes the place of an earlier
            found[scenario] = DrillEnd(
                drill_id=str(details.get("drill_id", "")),
                scenario=scenario,
                result="PASS" if details.get("result") == "PASS" else "FAIL",
                environment=str(details.get("environment", "")),
                operator=record.payload.actor_id or "",
                ended_at=record.header.recorded_at,
                record=f"{where}:{record.header.seq}",
            )
    return found


def _untouched(database: Path | Server, ask: Callable[[Connection], T]) -> T:
    """What is found in a database, as of one instant; nothing of it is written to."""
    if isinstance(database, Server):
        with closing(ServerConnection(database, read_only=True)) as asked:
            asked.run(_READ_ONLY)
            if tables.check_version(asked) == 0:
                raise UnreadableDatabaseError("no chain was ever started in it")
            return ask(asked)
    for attempt in range(_TRIES):
        stamp = _at_rest(database)
        try:
            with closing(
                tables.open_read_only(database, immutable=stamp is not None, untouched=True)
            ) as connection:
                connection.execute("BEGIN")  # all of it as of one instant
                found = ask(connection)
        except (sqlite3.OperationalError, UnreadableDatabaseError):
            # A writer began, ended or started its log anew while it was read.
            if attempt + 1 == _TRIES:
                raise
            continue
        if stamp is None or _at_rest(database) == stamp:
            return found
    raise UnreadableDatabaseError("it changes faster than it can be read without taking part")


def _at_rest(database: Path) -> tuple[int, int, int] | None:
    """What changes if a database at rest is written to; None if somebody may be writing."""
    if database.with_name(f"{database.name}-wal").exists():
        return None
    status = database.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _why(error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        return f"it cannot be read as a database: {error}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, ValueError):
        return "it holds what this version does not understand"
    return str(error)
