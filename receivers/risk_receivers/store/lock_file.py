"""The lock file of a database: first come, first served, and never waited for without end.

Writers of several processes take turns by ``flock``, which queues in the kernel: nobody polls
and nobody starves. But a holder that is stopped (SIGSTOP, a debugger, a frozen container) never
lets go, and ``flock`` knows no deadline. So the waiting is done by a thread of its own; whoever
gives up leaves it standing in the queue, for the next attempt or to let go at once.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk_receivers.store.errors import StoreBusyError

_log = logging.getLogger(__name__)


class LockFile:
    """An open lock file, taken by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens the file and creates it if it is missing. Raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()  # what follows
        self._queueing = False
        self._wanted = False
        self._closed = False
        self._granted = threading.Event()

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Holds the lock. Raises StoreBusyError if nobody lets go of it in time."""
        if not self._try() and not self._wait_in_line(timeout):
            raise StoreBusyError(
                f"{self.path}: another process has held the lock for more than {timeout:g} s; "
                "not recorded. Let it go on or end it (fuser names it)"
            )
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of everything."""
        with self._lock:
            self._closed = True
            if not self._queueing:
                os.close(self._descriptor)

    def _try(self) -> bool:
        with self._lock:
            if self._queueing:  # our thread stands in line for this very descriptor already
                return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_in_line(self, timeout: float) -> bool:
        with self._lock:
            self._wanted = True
            self._granted.clear()
            if not self._queueing:
                self._queueing = True
                threading.Thread(target=self._queue, name="lock-file", daemon=True).start()
        self._granted.wait(timeout)
        with self._lock:
            self._wanted = False
            return self._granted.is_set()

    def _queue(self) -> None:
        """Stand in line once; hand the lock on to whoever wants it still, or let go of it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            granted = True
        except OSError as error:  # the next attempt meets it too, where somebody can hear of it
            _log.error("%s: cannot be locked: %s", self.path, error)
            granted = False
        with self._lock:
            self._queueing = False
            if self._closed:
                os.close(self._descriptor)
            elif granted and self._wanted:
                self._granted.set()
            elif granted:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
