"""Reads the audit chain back while it is written, and remembers if it was ever wrong.

Every round checks the chain's end, against the head that this process wrote, and one stretch
of the rest; after the last stretch it begins anew. So nothing stays unread for long, however
long the chain is. At the end of each pass all that was read has to lead to the root that this
process goes by: it took that up from the newest checkpoint when it started, without reading what
is before, which may have been written anew with every hash while nothing ran.

What was wrong once stays wrong until somebody has looked and started the service again: a record
that was changed and changed back was still changed.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import Final

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.retention_records import Known
from risk_receivers.audit.tables import open_read_only
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import verify_stretch
from risk_receivers.database.connection import DATABASE_ERRORS, is_damage
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

#: Records of one stretch: some ten milliseconds, so that the feeds are never held up.
_STRETCH: Final = 200
#: The watch sleeps so many times as long as it has worked.
_SLEEP_FACTOR: Final = 50
_log = logging.getLogger(__name__)


class ChainVerdict:
    """Whether everything that was read back so far was what had been written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._damage: str | None = None

    @property
    def is_intact(self) -> bool:
        """False for good once something was wrong."""
        return self._damage is None

    @property
    def damage(self) -> str | None:
        """What was wrong first; None as long as nothing was."""
        return self._damage

    def damaged(self, how: str) -> None:
        """Something was wrong."""
        with self._lock:
            first = self._damage is None
            if first:
                self._damage = how
        if first:
            _log.critical("the audit chain is not what was written: %s", how)


class ChainWatch(Worker):
    """Looks for damage until it has found some."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        verdict: ChainVerdict,
        telemetry: Telemetry,
        *,
        interval_seconds: float,
    ) -> None:
        super().__init__("chain-watch", telemetry)
        self._database = database
        self._writer = writer
        self._verdict = verdict
        self._interval_seconds = interval_seconds
        self._reached = EMPTY
        self._tree = Tree()
        self._known = Known()

    def round(self) -> float | None:
        """Check the end and the next stretch."""
        began = time.monotonic()
        try:
            self._check()
        except (OSError, *DATABASE_ERRORS, ReceiversError) as error:
            if is_damage(error):
                self._verdict.damaged(f"the database cannot be read: {error}")
            else:  # busy, no disk, no server: says nothing of the chain
                _log.warning("the audit chain could not be read back, trying again: %s", error)
        if not self._verdict.is_intact:
            return None  # nothing could be worse, and nothing makes it good again
        return max(self._interval_seconds, _SLEEP_FACTOR * (time.monotonic() - began))

    def _check(self) -> None:
        grown = self._writer.tree_head
        head = self._writer.head  # before the reading begins: the file may only hold more
        with closing(open_read_only(self._database)) as connection:
            begin = max(head.size - _STRETCH, 0)
            # The link to what comes before the end is checked where that is reached in order.
            start = Head(begin, "") if begin else EMPTY
            known = self._known
            self._judge(verify_stretch(connection, start, _STRETCH, expected=head, known=known))
            tree = self._tree.copy()  # a reading that fails in the middle is done again
            is_end = tree.size <= grown.size <= tree.size + _STRETCH
            root = Head(grown.size, grown.root.hex()) if is_end else None
            found = verify_stretch(
                connection, self._reached, _STRETCH, expected=root, known=known, tree=tree
            )
        self._judge(found)
        goes_on = found.events == _STRETCH
        self._reached, self._tree = (found.head, tree) if goes_on else (EMPTY, Tree())

    def _judge(self, found: Verification) -> None:
        if found.problems:
            self._verdict.damaged(str(found.problems[0]))
