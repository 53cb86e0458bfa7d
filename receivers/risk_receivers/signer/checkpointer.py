"""Has the chain signed as it grows, beside the writer, which never waits for it.

Invariants:

- Only what is durable is ever shown to a signer: what it is asked for is the writer's own head.
- The next checkpoint is asked for once the last one is stored, and what a crash left with the
  signer alone is fetched from it, so that the chain of checkpoints has no holes.
- No signer, however it fails, keeps anything from being recorded. It is tried again and again, and
  how long events have waited for a signature is a gauge with an alert.

Records are signed at most a moment after their commit, several commits at once if they come fast;
events of the kill switch at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import VerifierKey
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place
from risk_receivers.signer import journal
from risk_receivers.signer.errors import (
    InconsistentHeadError,
    SignerError,
    SignerFilesError,
    UnreachableSignerError,
)
from risk_receivers.signer.journal import Rotation
from risk_receivers.signer.signer import Signer
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.tokens.registry import Doing
from risk_receivers.workers import Worker

#: Leaves of one request: a megabyte, whatever the signer was away for.
_MOST_LEAVES: Final = 32_768
_STORE_SECONDS: Final = 30.0
_URGENT: Final = "KILL_SWITCH_"
_FAILURES: Final = (SignerError, StoreError, AuditError, OSError, *DATABASE_ERRORS)
_log = logging.getLogger(__name__)


class Checkpointer(Worker):
    """Asks the signer and stores what it signs. Its failing is told, and holds up nobody."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        connect: Callable[[], Signer],
        telemetry: Telemetry,
        *,
        every_seconds: float,
        damaged: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``damaged`` is told of a chain that does not go on from what was signed, and why."""
        super().__init__("checkpointer", telemetry)
        self._database = database
        self._writer = writer
        self._connect = connect
        self._every_seconds = every_seconds
        self._damaged = damaged
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._signer: Signer | None = None
        self._signed: Tree | None = None
        self._stored = 0
        self._last: StoredCheckpoint | None = None
        self._unsigned_since: float | None = None
        self._rests = False
        self._urgent = False
        self._next_at = 0.0
        self._problem = ""

    @property
    def problem(self) -> str:
        """Why nothing is signed; empty if it is."""
        return self._problem

    @property
    def signed(self) -> int:
        """How far the newest checkpoint goes that is stored."""
        return self._stored

    def key(self) -> VerifierKey | None:
        """What is signed with; None if the signer cannot be asked."""
        try:
            return self._reached().key
        except _FAILURES as error:
            self._fail(error)
            return None

    def recorded(self, types: Iterable[str]) -> None:
        """Events are durable. Called by the writer: it waits for nothing here."""
        if self._unsigned_since is None:
            self._unsigned_since = time.monotonic()
        if any(kind.startswith(_URGENT) for kind in types):
            self._urgent = True
            self.wake()
        elif self._rests:
            self.wake()

    def gauges(self) -> Mapping[Metric, Samples]:
        """For the scrape."""
        gauges: dict[Metric, Samples] = {m.AUDIT_UNSIGNED: [((), self._waited())]}
        if self._stored:  # else it is not known yet
            gauges[m.AUDIT_SIGNED] = [((), float(self._stored))]
        return gauges

    def round(self) -> float | None:
        """Sign what has come since, but not more often than it has to be."""
        urgent, self._urgent = self._urgent, False
        self._rests = False
        early = self._next_at - time.monotonic()
        if early > 0 and not urgent:
            return early
        done = self._attempt()
        self._next_at = time.monotonic() + self._every_seconds
        if not done or self._stored < self._writer.head.size:
            return self._every_seconds
        # In this order: whoever records from now on wakes it, whoever did before is seen here.
        self._rests = True
        return None if self._stored == self._writer.head.size else 0.0

    def stop(self) -> None:
        """Sign what was recorded last, and let go of the signer."""
        super().stop()
        self._attempt()
        with self._lock:
            if self._signer is not None:
                self._signer.close()
            self._signer = None

    def _waited(self) -> float:
        if self._stored >= self._writer.head.size:
            return 0.0
        now = time.monotonic()
        if (since := self._unsigned_since) is None:
            since = self._unsigned_since = now
        return now - since

    def rotate(self, doing: Doing) -> Rotation:
        """A new key takes over, on record. Raises SignerError, StoreError or what reading does.

        What fails on the way is made up for by itself later: the record says what is due.
        """
        try:
            with self._turn, closing(tables.open_read_only(self._database)) as connection:
                self._sign(connection)
                signer = self._reached()
                rotation = Rotation(signer.key, signer.prepare())
                work = partial(journal.rotate, rotation=rotation, doing=doing)
                self._writer.run(work, _STORE_SECONDS)
                self._sign(connection)
        except _FAILURES as error:
            self._fail(error)
            raise
        return rotation

    def _attempt(self) -> bool:
        try:
            with self._turn, closing(tables.open_read_only(self._database)) as connection:
                self._sign(connection)
        except _FAILURES as error:
            self._fail(error)
            return False
        if self._problem:
            _log.warning("the audit chain is signed again")
        self._problem = ""
        return True

    def _sign(self, connection: Connection) -> None:
        signer = self._reached()
        rotate = self._name(connection, signer)
        target = self._writer.tree_head  # after that: it covers what the chain says of the keys
        before = time.monotonic()
        self._look_back(connection)
        if self._signed is None:
            self._signed = self._caught_up(connection, signer, rotate=rotate)
        while self._signed.size < target.size:
            upto = min(target.size, self._signed.size + _MOST_LEAVES)
            leaves = list(tables.checksums(connection, self._signed.size, upto))
            grown = self._signed.copy()
            grown.extend(leaves)
            if upto == target.size and grown.root != target.root:
                raise InconsistentHeadError(
                    f"what is stored up to {upto} is not what this process has recorded"
                )
            old_size, turn = self._signed.size, rotate and upto == target.size
            self._store(signer, signer.sign(old_size, leaves, grown.root, rotate=turn), grown)
        self._unsigned_since = None if self._writer.head.size <= target.size else before

    def _name(self, connection: Connection, signer: Signer) -> bool:
        """The chain has to know the key before anything is signed with it.

        Whether it knows of the next one, which takes over with the checkpoint that covers that.
        """
        known = journal.known_key(connection)
        if known is None:
            self._writer.run(partial(journal.introduce, key=signer.key), _STORE_SECONDS)
        elif known == str(signer.next):
            return True
        elif known != str(signer.key):
            raise SignerFilesError(
                f"the signer's key is {signer.key.short}, but the chain is signed by "
                f"{VerifierKey.parse(known).short}; restore that key, or rotate to a new one with "
                "both"
            )
        return False

    def _look_back(self, connection: Connection) -> None:
        """What was stored last still has to be there; what came before it, it names itself."""
        stored = checkpoint_table.newest(connection, self._stored)
        if self._stored and (stored is None or stored != self._last):
            raise InconsistentHeadError(
                f"the checkpoint at {self._stored} is gone or was changed while this process ran"
            )

    def _caught_up(self, connection: Connection, signer: Signer, *, rotate: bool) -> Tree:
        """The tree that the signer has signed last, proven to be this chain's, and stored."""
        state = signer.latest()
        size = state.size if state.note else self._writer.tree_head.size
        tree = checkpoint_table.tree(connection, size)
        tree.extend(tables.checksums(connection, tree.size, size))
        if tree.size != size:
            raise InconsistentHeadError(
                f"the signer has signed {size} records, but the chain ends at {tree.size}: its end "
                "was cut off, or an old copy was put in place"
            )
        if state.note and tree.root != state.tree.root:
            raise InconsistentHeadError(
                f"the first {size} records are not those that the signer has signed: the chain was "
                "rewritten"
            )
        newest = checkpoint_table.newest(connection)
        last = newest.note if newest is not None and isinstance(newest.note, bytes) else b""
        note = state.note or signer.begin(size, tree.frontier, last, rotate=rotate)
        self._store(signer, note, tree)
        return tree

    def _store(self, signer: Signer, note: bytes, tree: Tree) -> None:
        checkpoint, signed = Checkpoint.of(note)
        if not signed.signed_by([signer.key]) or (
            (checkpoint.head.size, checkpoint.head.root) != (tree.size, tree.root)
        ):
            raise UnreachableSignerError("the signer has signed something else than was asked for")

        def work(transaction: Transaction) -> None:
            checkpoint_table.insert(transaction.connection, note, tree.frontier)

        self._writer.run(work, _STORE_SECONDS)
        self._signed = tree
        self._stored = tree.size
        self._last = StoredCheckpoint(tree.size, note)

    def _reached(self) -> Signer:
        with self._lock:
            if self._signer is None:
                self._signer = self._connect()
            return self._signer

    def _fail(self, error: Exception) -> None:
        """Told once. The signer is opened anew and asked where it stands: a note may be lost."""
        self._signed = None
        with self._lock:
            if self._signer is not None:
                self._signer.close()
            self._signer = None
        sentence = str(error)
        if isinstance(error, InconsistentHeadError):
            self._damaged(sentence)
        if sentence != self._problem:
            _log.error("the audit chain is not being signed, trying again: %s", sentence)
        self._problem = sentence
