"""Work that waits for the writer: bounded, in order, and never left without an answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from risk_receivers.store.errors import QueueFullError, StoreClosedError
from risk_receivers.store.transaction import Transaction


class Job(NamedTuple):
    """A work and who waits for it. The result's type is known to who submitted it alone.

    Attributes:
        may_run_again: it does nothing beyond its transaction, and finds there what it needs.
    """

    work: Callable[[Transaction], Any]
    future: Future[Any]
    may_run_again: bool = False


class PendingJobs:
    """A bounded queue that hands out everything that waits at once, up to a batch."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed: StoreClosedError | None = StoreClosedError("the writer was not started")

    @property
    def is_open(self) -> bool:
        """Whether work is taken."""
        return self._closed is None

    def open(self) -> None:
        """Begins to take work."""
        with self._changed:
            self._closed = None

    def put(self, job: Job, patience_seconds: float = 0.0) -> None:
        """Adds a job, once there is room. Raises QueueFullError or why the queue is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room_or_is_closed, patience_seconds)
            if self._closed is not None:
                # A fresh one each time: a shared exception would collect tracebacks.
                raise type(self._closed)(str(self._closed))
            if len(self._jobs) >= self._depth:
                raise QueueFullError(f"{self._depth} works wait already; try again later")
            self._jobs.append(job)
            self._changed.notify_all()

    def take(self, most: int) -> list[Job]:
        """Waits for work; empty once the queue is closed and drained."""
        with self._changed:
            while not self._jobs and self._closed is None:
                self._changed.wait()
            taken = [self._jobs.popleft() for _ in range(min(most, len(self._jobs)))]
            self._changed.notify_all()
            return taken

    def _has_room_or_is_closed(self) -> bool:
        return len(self._jobs) < self._depth or self._closed is not None

    def close(self, reason: StoreClosedError) -> None:
        """Takes no more work. What waits can still be taken."""
        with self._changed:
            if self._closed is None:
                self._closed = reason
            self._changed.notify_all()
