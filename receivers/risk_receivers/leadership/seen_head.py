"""Notes how far the chain goes, for a service that stands by.

A server that went back in time, restored or failed over to a copy that was behind, has lost records
without a word, and a leader knows by the head that it has noted. Whoever takes over has to know it
too, so whoever stands by notes what it has seen. It never forgets: a chain that does not hold what
was noted before is a finding, and nothing newer is noted in its place.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY
from risk_receivers.audit.errors import AuditError
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Server
from risk_receivers.store import head_file
from risk_receivers.store.errors import StoreError
from risk_receivers.store.lock_file import LockFile

#: A command beside it may be noting one itself.
_TURN_SECONDS: Final = 1.0
_FAILURES: Final = (OSError, StoreError, AuditError, *DATABASE_ERRORS)


class SeenHead:
    """Used by one thread.

    Attributes:
        problem: what was noted and is not there; empty if all is.
    """

    def __init__(self, place: Server) -> None:
        """Opens its files. Raises OSError."""
        self.problem = ""
        self._place = place
        place.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = LockFile(place.path.with_name(f"{place.path.name}.lock"))
        self._file = head_file.HeadFile(place.path)

    def look(self) -> None:
        """Note the head there is. A server that cannot be asked says nothing about the chain."""
        try:
            with self._lock.held(_TURN_SECONDS), closing(tables.open_read_only(self._place)) as at:
                noted, head = head_file.read(self._place.path), tables.head(at)
                if noted is not None and noted != EMPTY:
                    row = tables.row_at(at, noted.size)
                    if row is None or row.checksum != bytes.fromhex(noted.checksum):
                        self.problem = (
                            f"the chain does not hold record {noted.size}, which "
                            f"{_name(self._place.path)} noted: records were lost or rewritten"
                        )
                        return
                self.problem = ""
                if noted is None or head.size > noted.size:
                    self._file.note(head)
            self._file.sync()
        except _FAILURES:
            return

    def close(self) -> None:
        """Let go of its files."""
        self._file.close()
        self._lock.close()


def _name(database: Path) -> str:
    return head_file.path_beside(database).name
