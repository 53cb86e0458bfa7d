"""Who reads how many audit records: within a window more than normal work needs is an export.

Reading through the API is told by its views; what the command line exports stands in the chain.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.contracts.gate import now_ns
from risk_receivers.audit.record import check_record
from risk_receivers.audit.tables import open_read_only, stretches_beginning
from risk_receivers.database.place import Place
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_SECOND: Final = 1_000_000_000
#: Those who may read the chain are a few; beyond so many all counts begin anew.
_MOST_NAMES: Final = 1000
#: A command tells nothing to this process. Its record may be read a moment later.
_LOOK_SECONDS: Final = 10.0
_EXPORTED: Final = b'{"event_type":"AUDIT_EXPORTED"'
_log = logging.getLogger(__name__)


class Exports:
    """Counts records by name. Thread-safe."""

    def __init__(
        self, *, most: int, window_seconds: float, clock: Callable[[], int] = now_ns
    ) -> None:
        """``most`` are normal within the window. ``clock`` counts nanoseconds."""
        self._most = most
        self._window_ns = round(window_seconds * _SECOND)
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[str, deque[tuple[int, int]]] = {}

    def is_bulk(self, who: str, records: int) -> bool:
        """Somebody read more records; whether that makes it an export. It is told once a window:
        what was told begins anew.
        """
        now = self._clock()
        with self._lock:
            if len(self._read) >= _MOST_NAMES:
                self._read.clear()
            read = self._read.setdefault(who, deque())
            while read and now - read[0][0] >= self._window_ns:
                read.popleft()
            # Of one moment, at this grain, one entry: whoever asks often fills no memory.
            if read and now - read[-1][0] < self._window_ns // 100:
                at, before = read.pop()
                read.append((at, before + records))
            else:
                read.append((now, records))
            if sum(count for _, count in read) <= self._most:
                return False
            read.clear()
            return True


class ExportWatch(Worker):
    """Finds what the command line exported since it last looked."""

    def __init__(
        self,
        database: Place,
        telemetry: Telemetry,
        after: int,
        exported: Callable[[str, int], None],
    ) -> None:
        """``after`` is the last record that is nothing new; ``exported`` is told who exported, and
        how many records.
        """
        super().__init__("security-exports", telemetry)
        self._database = database
        self._after = after
        self._exported = exported

    def round(self) -> float | None:
        """Look once."""
        try:
            self._look()
        except ROUND_ERRORS as error:
            _log.warning("what was exported is not known: %s", error)
        return _LOOK_SECONDS

    def _look(self) -> None:
        with closing(open_read_only(self._database)) as connection:
            for rows in stretches_beginning(connection, [_EXPORTED], self._after):
                for row in rows:
                    record = check_record(row)
                    if record.header is None:  # whoever watches the chain tells of that
                        continue
                    self._after = max(self._after, record.header.seq)
                    if record.header.event_type is EventType.AUDIT_EXPORTED and record.payload:
                        shown = record.payload.details.get("shown")
                        count = shown if isinstance(shown, int) else 0
                        self._exported(record.payload.actor_id or "somebody", count)
