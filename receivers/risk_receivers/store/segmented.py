"""The database of a store whose chain is kept in segment files beside it.

A commit makes state and records durable together, the records staged in the database; then they
are appended to the files and synchronised, and only then is anybody answered. What is staged goes
with the next commit. So a crash anywhere in between loses nothing and writes nothing twice: what
is staged and not in the files is appended when the next writer has its turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from risk_receivers.audit.chain import Head
from risk_receivers.audit.retention_records import Known
from risk_receivers.audit.segmented import FORGOTTEN, SegmentedConnection
from risk_receivers.audit.segments import Segments
from risk_receivers.audit.table_chain import TableChain
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import segments_of
from risk_receivers.store.database import StorageLostError, WritableDatabase
from risk_receivers.store.segment_files import SegmentFiles


class SegmentedDatabase(WritableDatabase):
    """An open database, its lock file and its segments, used by one thread."""

    def __init__(self, path: Path, *, busy_timeout_seconds: float) -> None:
        """Opens the database and creates its folder. Raises StoreError naming the file."""
        self._segments = SegmentFiles(segments_of(path))
        self._gone: set[int] = set()
        super().__init__(path, busy_timeout_seconds=busy_timeout_seconds)

    def prepare(self, schema: Sequence[str]) -> Head:
        """Creates what is missing, and completes the files from what is staged."""
        return super().prepare((FORGOTTEN, *schema))

    def begin(self) -> None:
        """Begins a transaction, and lets go in it of what the files hold durably by now."""
        super().begin()
        if not self._segments.is_current():  # another process wrote, and maybe not to its end
            self._complete()
        for table in ("audit_payload", "audit_header"):
            self.connection.execute(
                f"DELETE FROM {table} WHERE seq <= ?",  # noqa: S608 - constants
                (self._segments.head.size,),
            )
        self._forget()
        if self._gone:
            self.connection.execute("DELETE FROM audit_forgotten")
            self._gone = set()

    def commit(self, head: Head, known: Head) -> None:
        """Makes the transaction durable, in the files as well."""
        self._commit()
        try:
            if rows := self._staged.rows_after(self._segments.head.size, -1):
                self._segments.append(rows)
            self._forget()
        except OSError as error:
            raise StorageLostError(f"the segment files cannot be written: {error}") from error
        if head != known:
            self.note(head)

    @property
    def _staged(self) -> TableChain:
        return TableChain(self.connection)

    def _connect(self, busy_timeout_seconds: float) -> Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            timeout=busy_timeout_seconds,
            factory=SegmentedConnection,
        )
        connection.staged = TableChain(connection)
        connection.segments = Segments(segments_of(self.path))
        return connection

    def _checked_head(self) -> Head:
        self._complete()
        return super()._checked_head()

    def _complete(self) -> None:
        try:
            self._segments.complete(self._staged.rows(), Known().missing(self.connection))
        except OSError as error:
            raise StorageLostError(f"the segment files cannot be written: {error}") from error

    def _forget(self) -> None:
        found = self.connection.execute("SELECT seq FROM audit_forgotten").fetchall()
        if due := {seq for (seq,) in found} - self._gone:
            self._segments.forget(due)
            self._gone |= due
