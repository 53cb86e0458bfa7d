"""The one writer of a process: group commit, and nothing resolved before it is durable.

Invariants:

- A future resolves only after the commit that holds its work was synchronised to disk.
- Works run in the order they were submitted, in savepoints: one that raises leaves no trace,
  takes no number in the chain and does no harm to its neighbours. Those that share one run again.
- Fails closed: once a commit could not be made durable the writer is unhealthy for good and
  everything that waits gets StoreFailedError. A new process continues from the durable head:
  nothing that this one believes is carried over (:mod:`risk_receivers.retreat`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Final, TypeVar

from risk_policy.clock import utc_now
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.canonical import encode
from risk_receivers.audit.chain import EMPTY, Head, TreeHead
from risk_receivers.audit.merkle import Tree
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.store.database import (
    StorageLostError,
    WritableDatabase,
    is_storage_failure,
)
from risk_receivers.store.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreFailedError,
    StoreTimeoutError,
)
from risk_receivers.store.opening import open_writable
from risk_receivers.store.pending import Job, PendingJobs
from risk_receivers.store.transaction import Transaction

__all__ = ["Transaction", "Writer"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
_MAY_RUN_AGAIN: Final = attrgetter("may_run_again")


class Writer:
    """Owns the write side of a database. Thread-safe; started once, stopped once."""

    def __init__(
        self,
        database: Place,
        *,
        origin: str,
        retention: AuditRetention,
        schema: Sequence[str] = (),
        batch: int,
        queue_depth: int,
        clock: Callable[[], datetime] = utc_now,
        busy_timeout_seconds: float = 5.0,
        recorded: Callable[[Sequence[str]], None] = lambda _: None,
        term: int | None = None,
    ) -> None:
        """Touches nothing yet.

        Args:
            origin: which writer this is, as it stands in every header.
            schema: statements for other tables, each safe to run at every start.
            batch: most works of one commit.
            queue_depth: most works that wait.
            busy_timeout_seconds: how long to wait for another process that holds the lock
                file, or for a program that ignores it.
            recorded: is told the types of the events of each commit, once they are durable; of
                none if the chain has grown by what another process recorded.
            term: of the leader that this writes for, if several receivers share the store.
        """
        if not origin:
            raise StoreError("origin is empty; name the writer, e.g. host and service")
        encode(origin)
        self._place = database
        self._path = database if isinstance(database, Server) else path_of(database)
        self._origin = origin
        self._retention = retention
        self._schema = tuple(schema)
        self._batch = batch
        self._clock = clock
        self._busy_timeout_seconds = busy_timeout_seconds
        self._recorded = recorded
        self._term = term
        self._pending = PendingJobs(queue_depth)
        self._head = EMPTY
        self._tree = Tree()
        self._grown: tuple[int, tuple[bytes, ...]] = (0, ())
        self._end_is_proven = False
        self._failure: BaseException | None = None
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    @property
    def takes_work(self) -> bool:
        """Whether it was started and has neither stopped nor failed, which is for good.

        When that work is recorded is another question: the disk, or who holds the lock, decides.
        """
        return self._pending.is_open

    @property
    def failure(self) -> BaseException | None:
        """What stopped it, if something did."""
        return self._failure

    @property
    def end_is_proven(self) -> bool:
        """Whether a head was noted that the chain still reached when this writer started."""
        return self._end_is_proven

    @property
    def head(self) -> Head:
        """The durable head, as of this process's last commit."""
        return self._head

    @property
    def tree_head(self) -> TreeHead:
        """The durable head as a Merkle root over the whole chain."""
        size, frontier = self._grown
        return TreeHead(size, Tree(size, frontier).root)

    def start(self) -> None:
        """Opens the database and checks the chain's end. Raises StoreError naming the file."""
        if self._thread.ident is not None:
            raise StoreError("a writer is started once; make a new one")
        self._thread.start()
        self._started.result()

    def submit(
        self,
        work: Callable[[Transaction], T],
        future: Future[T] | None = None,
        *,
        may_run_again: bool = False,
    ) -> Future[T]:
        """Queues a work; its future resolves once it is durable, or with what it raised.

        One that ``may_run_again`` does nothing beyond its transaction: it costs less.
        Raises QueueFullError, StoreClosedError or StoreFailedError.
        """
        job = Job(work, Future() if future is None else future, may_run_again)
        self._pending.put(job)
        return job.future

    def run(self, work: Callable[[Transaction], T], timeout: float) -> T:
        """Submits a work, once there is room for it, and waits.

        Raises what the work raised, or a StoreError.
        """
        if threading.current_thread() is self._thread:
            raise StoreError("a work cannot wait for another work; submit it instead")
        until = time.monotonic() + timeout
        job = Job(work, Future())
        self._pending.put(job, timeout)
        future: Future[T] = job.future
        try:
            return future.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            if future.done() and not future.cancelled():
                return future.result()
            if future.cancel():
                raise StoreTimeoutError(
                    f"{self._path}: not begun within {timeout:g} s; withdrawn, not recorded"
                ) from None
            raise StoreTimeoutError(
                f"{self._path}: not durable within {timeout:g} s; it may still become so"
            ) from None

    def stop(self, timeout: float | None = None) -> None:
        """Commits what waits, then closes. Raises StoreError if that takes longer."""
        self._pending.close(StoreClosedError("the writer was stopped"))
        if self._thread.ident is None or threading.current_thread() is self._thread:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise StoreError(f"{self._path}: still committing after {timeout:g} s")

    def _run(self) -> None:
        try:
            database = open_writable(
                self._place, busy_timeout_seconds=self._busy_timeout_seconds, term=self._term
            )
        except BaseException as error:  # noqa: BLE001 - belongs to who waits in start()
            self._started.set_exception(error)
            return
        try:
            self._head = database.prepare(self._schema)
            self._end_is_proven = self._head == EMPTY or database.noted is not None
            self._tree = database.tree(self._head)
            self._grown = self._tree.size, self._tree.frontier
        except BaseException as error:  # noqa: BLE001 - belongs to who waits in start()
            database.close()
            self._started.set_exception(error)
            return
        self._pending.open()
        self._started.set_result(None)
        self._work(database)

    def _work(self, database: WritableDatabase) -> None:
        batch: list[Job] = []
        try:
            while batch := self._pending.take(self._batch):
                self._commit(database, batch)
        except BaseException as error:  # noqa: BLE001
            # Whatever ends this thread, nobody may be left waiting and nobody may go on
            # believing that records are being kept.
            database.rollback()
            self._fail(error, batch)
        finally:
            database.close()

    def _commit(self, database: WritableDatabase, batch: list[Job]) -> None:
        jobs = [job for job in batch if job.future.set_running_or_notify_cancel()]
        if not jobs:
            return
        with contextlib.ExitStack() as turn:
            try:
                turn.enter_context(database.locked())
                database.begin()
            except StoreBusyError as error:
                _refuse(jobs, error)
                return
            head = database.head_after(self._head)
            others = database.checksums_between(self._head, head)
            transaction = Transaction(
                connection=database.connection,
                now=self._clock(),
                head=head,
                origin=self._origin,
                retention=self._retention,
            )
            answers = _attempt_all(jobs, transaction)
            transaction.settle()
            transaction.closed = True
            database.commit(transaction.head, self._head)
        database.confirm_place()
        has_grown = transaction.head != self._head
        self._head = transaction.head
        self._tree.extend(others)
        self._tree.extend(transaction.checksums)
        self._grown = self._tree.size, self._tree.frontier
        if has_grown:
            self._recorded(transaction.appended)
        for answer in answers:
            answer()
        database.tidy()

    def _fail(self, error: BaseException, batch: list[Job]) -> None:
        sentence = f"{self._path}: the writer stopped, nothing is recorded any more: {error}"
        _log.critical("%s", sentence)
        self._failure = error
        self._pending.close(StoreFailedError(sentence))
        waiting = batch
        while waiting:
            for job in waiting:
                # Answered or withdrawn by its owner already: nothing more to say.
                with contextlib.suppress(InvalidStateError):
                    job.future.set_exception(StoreFailedError(sentence))
            waiting = self._pending.take(self._batch)


def _attempt_all(jobs: list[Job], transaction: Transaction) -> list[Callable[[], None]]:
    """Runs all works in order and returns how to answer each once they are durable.

    Neighbours that may run again have one savepoint: of their own, each would keep what it has to
    put back apart, and write it all again. If one raises, each of them runs by itself.
    """
    answers: list[Callable[[], None]] = []
    for may_run_again, group in groupby(jobs, key=_MAY_RUN_AGAIN):
        some = list(group)
        if may_run_again and len(some) > 1:
            with contextlib.suppress(_UndoneError):
                answers += _attempt_together(some, transaction)
                continue
        answers += [_attempt(job, transaction) for job in some]
    return answers


def _attempt_together(jobs: list[Job], transaction: Transaction) -> list[Callable[[], None]]:
    """Raises _UndoneError if any of them raises; then none has left a trace."""
    results = _in_savepoint(lambda: [job.work(transaction) for job in jobs], transaction)
    return [
        partial(job.future.set_result, result) for job, result in zip(jobs, results, strict=True)
    ]


def _attempt(job: Job, transaction: Transaction) -> Callable[[], None]:
    """Runs a work and returns how to answer it once that is durable."""
    try:
        result = _in_savepoint(lambda: job.work(transaction), transaction)
    except _UndoneError as undone:
        return partial(job.future.set_exception, undone.error)
    return partial(job.future.set_result, result)


class _UndoneError(Exception):
    """What was done in a savepoint raised, and is undone. Never leaves this module."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _in_savepoint(run: Callable[[], T], transaction: Transaction) -> T:
    """Raises _UndoneError, or what means that the disk cannot be relied upon."""
    connection = transaction.connection
    before, appended = transaction.head, len(transaction.appended)
    connection.execute("SAVEPOINT riskwarden_work")
    try:
        result = run()
        _require_intact(transaction)
        # If a statement of the work failed, and the work went on: a server forgives nothing.
        connection.execute("RELEASE riskwarden_work")
    except Exception as error:
        # A work is a caller's code, and what it raises is its caller's to hear, whatever it is.
        # Letting it through would end the writer and refuse its neighbours for one bad work;
        # what means that the disk cannot be relied upon goes on up all the same.
        if is_storage_failure(error):
            raise
        _require_intact(transaction)
        connection.execute("ROLLBACK TO riskwarden_work")
        connection.execute("RELEASE riskwarden_work")
        transaction.head = before
        del transaction.appended[appended:], transaction.checksums[appended:]
        raise _UndoneError(error) from error
    return result


def _require_intact(transaction: Transaction) -> None:
    if transaction.failure is not None:
        raise transaction.failure
    if not transaction.connection.in_transaction:
        raise StorageLostError("a work ended the writer's transaction; works must not commit")


def _refuse(jobs: list[Job], error: StoreBusyError) -> None:
    _log.error("%s", error)
    for job in jobs:
        job.future.set_exception(error)
