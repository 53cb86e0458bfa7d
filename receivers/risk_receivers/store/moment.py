"""A store that keeps its chain elsewhere than in SQLite alone, as it is at one moment.

Nobody is held up for longer than it takes to open some files: writers go on, and what they write
is not seen.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.segmented import SegmentedConnection
from risk_receivers.audit.segments import HeldSegments
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place, Server, path_of, segments_of
from risk_receivers.store.errors import StoreError
from risk_receivers.store.lock_file import LockFile
from risk_receivers.store.pouring import stored_rows

#: Beyond any turn of a writer that lives.
_PATIENCE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a store holds.

    Attributes:
        connection: to its state, inside a transaction.
        end: where its chain ends.
    """

    connection: Connection
    end: Head

    def rows(self) -> Iterator[StoredRow]:
        """The chain's records. Raises PouringError at the first that is amiss."""
        gone = _forgotten(self.connection)
        for row in stored_rows(self.connection, self.end):
            # Let go of, and a crash came before it went from the file.
            yield row._replace(salt=None, payload=None) if row.seq in gone else row


def is_plain(place: Place) -> bool:
    """Whether all of it is in one SQLite database."""
    return not isinstance(place, Server) and not segments_of(path_of(place)).is_dir()


@contextmanager
def held(place: Place) -> Iterator[Moment]:
    """The store at this moment. Raises StoreError, UnreadableDatabaseError, OSError."""
    with closing(tables.open_read_only(place)) as connection:
        if not isinstance(connection, SegmentedConnection):
            connection.execute("BEGIN")
            yield Moment(connection, tables.head(connection))  # the first question begins the view
            return
        path = path_of(place)
        # Between a commit and the end of its lines in the files no writer lets go of the lock.
        with (
            closing(LockFile(path.with_name(f"{path.name}.lock"))) as lock,
            lock.held(_PATIENCE_SECONDS),
        ):
            connection.execute("BEGIN")
            connection.segments = files = _held_segments(path)
            end = tables.head(connection)
        with closing(files):
            yield Moment(connection, end)


def _held_segments(path: Path) -> HeldSegments:
    folder = segments_of(path)
    try:
        return HeldSegments(folder)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise StoreError(
            f"{folder}: holds more files than this process may open; allow it more (ulimit -n)"
        ) from error


def _forgotten(connection: Connection) -> set[int]:
    if "audit_forgotten" not in tables.names(connection):
        return set()
    return {seq for (seq,) in connection.execute("SELECT seq FROM audit_forgotten")}
