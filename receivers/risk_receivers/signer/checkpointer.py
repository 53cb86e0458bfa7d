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
from contextlib import closing, suppress
from functools import partial
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import NoteError, VerifierKey
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
_NOT_RECORDED: Final = "what is stored up to {} is not what this process has recorded"
_WHAT_NOW: Final = (
    "Keep a copy of what the signer has signed last (the .state file beside its key), which proves "
    "it; run the verifier, and restore a verified backup. docs/audit_chain.md says how to go on "
    "without what is lost"
)
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

    def rotate(self, doing: Doing, *, is_lost: bool = False) -> Rotation:
        """A new key takes over, on record. Raises SignerError, StoreError or what reading does.

        What fails on the way is made up for by itself later: the record says what is due. From a
        key that ``is_lost`` nobody takes over; the signer's own is put on record to begin anew.
        """
        take_over = self._replace_lost if is_lost else self._hand_over
        try:
            with self._turn, closing(tables.open_read_only(self._database)) as connection:
                rotation = take_over(connection, doing)
                self._sign(connection)
        except _FAILURES as error:
            self._fail(error)
            raise
        return rotation

    def _hand_over(self, connection: Connection, doing: Doing) -> Rotation:
        self._sign(connection)
        signer = self._reached()
        rotation = Rotation(signer.key, signer.prepare())
        self._writer.run(partial(journal.rotate, rotation=rotation, doing=doing), _STORE_SECONDS)
        return rotation

    def _replace_lost(self, connection: Connection, doing: Doing) -> Rotation:
        signer, known = self._reached(), journal.known_key(connection)
        if known is None or known in (str(signer.key), str(signer.next)):
            raise SignerFilesError(
                f"{signer.key.short} is the key that signs this chain; it is not lost, so rotate it"
            )
        rotation = Rotation(VerifierKey.parse(known), signer.key)
        work = partial(journal.begin_anew, rotation=rotation, doing=doing)
        self._writer.run(work, _STORE_SECONDS)
        self._signed = None
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
            upto = min(target.size, _next_stop(connection, self._signed.size))
            leaves = list(tables.checksums(connection, self._signed.size, upto))
            grown = self._signed.copy()
            grown.extend(leaves)
            if upto == target.size and grown.root != target.root:
                raise InconsistentHeadError(_NOT_RECORDED.format(upto))
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
                f"{VerifierKey.parse(known).short}; restore that key. If it is lost for good: "
                "riskwarden audit rotate-key --lost"
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
        """The tree that the signer has signed last, as this chain's checkpoints have it; stored.

        That the records lead to it is for those to find who read all of them.
        """
        state, head = signer.latest(), self._writer.tree_head
        size = state.size if state.note else head.size
        tree = checkpoint_table.tree(connection, size)
        tree.extend(tables.checksums(connection, tree.size, size))
        if tree.size != size:
            raise InconsistentHeadError(
                f"the signer has signed {size} records, but the chain ends at {tree.size}: its end "
                f"was cut off, or an old copy was put in place. {_WHAT_NOW}"
            )
        if state.note and tree.root != state.tree.root:
            raise InconsistentHeadError(
                f"the first {size} records are not those that the signer has signed: the chain was "
                f"rewritten, or grew again after its end was cut off. {_WHAT_NOW}"
            )
        if not state.note and tree.root != head.root:
            raise InconsistentHeadError(_NOT_RECORDED.format(size))
        newest = checkpoint_table.newest(connection)
        last = newest.note if newest is not None and isinstance(newest.note, bytes) else b""
        if state.note and not Checkpoint.of(state.note)[1].signed_by([signer.key]):
            if state.note != last:
                raise SignerFilesError(
                    "what the signer has signed last (its .state file) is by another key than its "
                    "own, as from before a rotation; move it away, and it goes on from what is "
                    "stored"
                )
            self._signed, self._stored, self._last = tree, size, newest
            return tree
        if state.note and _was_passed_over(connection, size):
            # Signed by a leader that could not store it any more; whoever led next knew nothing of
            # it, and signed on from the one before. In between them it would look like forgery.
            self._stored, self._last = 0, None
            return tree
        note = state.note or signer.begin(size, tree.frontier, last, rotate=rotate)
        self._store(signer, note, tree)
        return tree

    def _store(self, signer: Signer, note: bytes, tree: Tree) -> None:
        checkpoint, signed = Checkpoint.of(note)
        if not signed.signed_by([signer.key]) or (
            (checkpoint.head.size, checkpoint.head.root) != (tree.size, tree.root)
        ):
            raise UnreachableSignerError("the signer has signed something else than was asked for")

        def work(transaction: Transaction) -> StoredCheckpoint | None:
            checkpoint_table.insert(transaction.connection, note, tree.frontier)
            return checkpoint_table.newest(transaction.connection, tree.size)

        stored = self._writer.run(work, _STORE_SECONDS)
        if stored is None or not _is_of(stored.note, checkpoint.head, signer.key):
            raise InconsistentHeadError(
                f"the checkpoint that is stored at {tree.size} is not of these records"
            )
        self._signed = tree
        self._stored = tree.size
        self._last = stored

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


def _is_of(note: object, head: TreeHead, key: VerifierKey) -> bool:
    """Whether a stored note is a checkpoint of that head by that key.

    Where two took turns to sign, it may name another one before it than ours would.
    """
    if not isinstance(note, bytes):
        return False
    with suppress(NoteError):
        checkpoint, signed = Checkpoint.of(note)
        return checkpoint.head == head and bool(signed.signed_by([key]))
    return False


def _was_passed_over(connection: Connection, size: int) -> bool:
    """Whether a checkpoint at that size is not stored, and the next one does not name it."""
    if any(one.size == size for one in checkpoint_table.after(connection, size - 1, 1)):
        return False
    for one in checkpoint_table.after(connection, size, 1):
        if isinstance(one.note, bytes):
            with suppress(NoteError):
                return Checkpoint.of(one.note)[0].previous != size
    return False


def _next_stop(connection: Connection, signed: int) -> int:
    """Where to sign next at the latest: where a checkpoint is stored already.

    A signer whose memory was restored from a backup signs again what it has forgotten, and what
    comes of it is the same, byte by byte; past it, two checkpoints would name one before them.
    """
    stored = checkpoint_table.after(connection, signed, 1)
    return min([signed + _MOST_LEAVES, *(one.size for one in stored if isinstance(one.size, int))])
