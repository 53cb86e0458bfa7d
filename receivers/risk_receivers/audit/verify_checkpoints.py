"""Are the signed checkpoints those of this chain? Goes along with the verifier, record by record.

A checkpoint is looked at when the tree has grown to its size, so by then everything that the chain
says about keys up to there is known. What is a problem:

- one that cannot be read, whose root is not the tree's, or that stands at another size;
- one not signed by the key in force: the pinned one, or else the first that the chain names, and
  after a recorded rotation the new one, with both on the first checkpoint that covers it: with
  all of them if it covers several, so that nobody hands over to himself in between;
- one missing between two others: each names the one before it;
- one beyond the chain's end: the end was cut off;
- records that have waited for a signature longer than any signer takes while a service ran, and
  have none at the end; or a chain that was to be signed by a pinned key, and is not at all.

Without a pinned key this finds whether chain and signatures belong together. Whether they are
those of the right signer, only somebody who has kept its key can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final

from risk_policy.contracts.audit import (
    COMMAND_ORIGINS,
    COMMANDED,
    NEW_VERIFIER_KEY,
    VERIFIER_KEY,
    EventType,
)
from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.header import Header
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import NoteError, VerifierKey
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import Link

#: The next checkpoints beyond a size, in order, as many as one likes.
Source = Callable[[int], Sequence[StoredCheckpoint]]

_KEY_EVENTS: Final = frozenset({EventType.SIGNING_BEGAN, EventType.SIGNING_KEY_ROTATED})
#: The policy lets no checkpoint wait longer than half of this.
LONGEST_WAIT: Final = timedelta(seconds=60)


class CheckpointVerifier:
    """Takes what the chain holds in order; every call yields what is wrong. Constant memory."""

    def __init__(
        self,
        source: Source,
        *,
        newest: int,
        last: StoredCheckpoint | None = None,
        pinned: Sequence[VerifierKey] = (),
    ) -> None:
        """What there was before the first record was read: more may have come since.

        Args:
            newest: the size of the newest checkpoint.
            last: the signer's own copy of the last it signed, which may not be stored yet.
            pinned: keys one of which must have begun to sign; whatever the chain names if none.
        """
        self._source = source
        self._waiting: list[StoredCheckpoint] = []
        self._last = last
        self._alone_at: int | None = None  # where the signer's copy is the only one
        self._passed_over: int | None = None
        self._due = newest if last is None else max(newest, _at(last))
        self._pinned = tuple(pinned)
        self._keys: tuple[VerifierKey, ...] = ()
        self._retired: set[VerifierKey] = set()
        self._signed = 0
        self._next_at: float = 0  # before that there is nothing to look at
        self._diverged = False
        self._began = False
        self._unsigned_since: datetime | None = None
        self._newest_at: datetime | None = None
        self._longest_wait = timedelta()
        self._first_at: datetime | None = None
        self._late: list[str] = []
        self._signed_by = ""

    @property
    def signed(self) -> int:
        """The size of the newest checkpoint that was looked at."""
        return self._signed

    @property
    def signed_by(self) -> str:
        """Which key has signed the last one that was right."""
        return self._signed_by

    @property
    def late(self) -> Sequence[str]:
        """Which checkpoints came late: what was done before them, they do not tell."""
        return tuple(self._late)

    def add(
        self, seq: int, header: Header | Link | None, payload: Payload | None, tree: Tree
    ) -> Iterable[str]:
        """A record and the tree that ends with it."""
        if header is not None:
            # What commands record may come when no service runs that could have it signed.
            if header.origin not in COMMAND_ORIGINS or header.event_type not in COMMANDED:
                if self._unsigned_since is None:
                    self._unsigned_since = header.recorded_at
                elif header.event_type == EventType.SERVICE_STARTED:  # nobody signed until then
                    self._longest_wait = self._wait
                    self._unsigned_since = header.recorded_at
                self._newest_at = header.recorded_at
                if self._first_at is None:
                    self._first_at = header.recorded_at
            if header.event_type in _KEY_EVENTS:
                return [*self._learn(header, payload), *self._checked(seq, tree)]
        return self._checked(seq, tree) if seq >= self._next_at else ()

    @property
    def _wait(self) -> timedelta:
        """The longest time that a service ran while a record of its had no signature."""
        if self._unsigned_since is None or self._newest_at is None:
            return self._longest_wait
        return max(self._longest_wait, self._newest_at - self._unsigned_since)

    def _checked(self, seq: int, tree: Tree) -> Iterator[str]:
        while (one := self._next(seq)) is not None:
            self._waiting.pop(0)
            yield from self._check(one, TreeHead(seq, tree.root))
        self._next_at = _at(self._waiting[0]) if self._waiting else inf

    def finish(self, size: int) -> Iterator[str]:
        """What can only be told at the chain's end."""
        if (one := self._next(self._due)) is not None:
            yield (
                f"a checkpoint over {_at(one)} records was signed, but the chain ends at {size}: "
                "its end was cut off"
            )
            return
        if self._began and (wait := self._wait) > LONGEST_WAIT:
            yield (
                f"records beyond {self._signed} have no signed checkpoint, the first of them "
                f"for {wait.total_seconds():.0f} s: the signer fails, or checkpoints were deleted"
            )
        elif self._pinned and not (self._began and self._signed):
            yield f"nothing in this chain is signed by the pinned key {self._pinned[0].short}"

    def _learn(self, header: Header | Link, payload: Payload | None) -> Iterator[str]:
        """What a record says about keys."""
        try:
            if header.event_type == EventType.SIGNING_BEGAN:
                if not self._began:  # what was recorded until then waited for nobody
                    self._unsigned_since, self._longest_wait = header.recorded_at, timedelta()
                yield from self._begin(header.seq, _named(payload, VERIFIER_KEY))
            elif header.event_type == EventType.SIGNING_KEY_ROTATED:
                old, new = _named(payload, VERIFIER_KEY), _named(payload, NEW_VERIFIER_KEY)
                if self._keys and old == self._keys[-1]:
                    self._keys = (*self._keys, new)
                    self._retired.add(old)
                else:
                    yield f"record {header.seq} hands over from {old.short}, which is not in force"
        except NoteError as error:
            yield f"record {header.seq} names a key, but it {error}"

    def _begin(self, seq: int, key: VerifierKey) -> Iterator[str]:
        is_first, self._began = not self._began, True
        if key in self._retired:
            yield f"record {seq} names the key {key.short}, in whose place there is another"
        elif key in self._pinned or (is_first and not self._pinned):
            self._retired.update(one for one in self._keys if one != key)
            self._keys = (key,)
        elif self._pinned:
            self._keys = self._keys or self._pinned[:1]
            yield f"record {seq} names the key {key.short}, which is not the pinned one"
        elif key not in self._keys:
            self._keys = (key,)  # said once, and not of every checkpoint from here on
            yield (
                f"record {seq} names the key {key.short}, which none before it vouches for; if the "
                "one before was lost, pin both"
            )

    def _check(self, stored: StoredCheckpoint, head: TreeHead) -> Iterator[str]:
        size = _at(stored)
        where = f"the checkpoint at {size}"
        before, self._signed = self._signed, size
        # What a leader signed last, and could not store, the next one goes on without.
        expected = (before, self._passed_over)
        self._passed_over = before if size == self._alone_at else None
        self._note_delay(before, size)
        self._unsigned_since, self._longest_wait = None, timedelta()
        try:
            checkpoint, note = Checkpoint.of(stored.note if type(stored.note) is bytes else b"")
        except NoteError as error:
            yield f"{where} {error}"
            return
        if checkpoint.head.size != size or type(stored.size) is not int:
            yield f"{where} is about {checkpoint.head.size} records; it was changed or moved"
            return
        if checkpoint.previous not in expected:
            yield (
                f"{where} follows one at {checkpoint.previous}, but the one before it is at "
                f"{before}: checkpoints were deleted or added"
            )
        if (size, checkpoint.head.root) != (head.size, head.root) and not self._diverged:
            self._diverged = True  # and so will all others be
            yield f"{where} was signed over other records than these: the chain was rewritten"
        try:
            signed_by = note.signed_by(self._keys)
        except NoteError as error:
            yield f"{where}: {error}"
            return
        if not self._keys:
            yield f"{where} is signed, but the chain names no key that it could be checked with"
        elif missing := [key.short for key in self._keys if key not in signed_by]:
            yield f"{where} is not signed by {' and '.join(missing)}, as it must be"
        elif checkpoint.origin != self._keys[-1].name:
            yield f"{where} is of another log, {checkpoint.origin}"
        else:
            self._signed_by = self._keys[-1].short
        self._keys = self._keys[-1:]

    def _note_delay(self, before: int, size: int) -> None:
        waited = self._wait
        if not before and self._first_at is not None and self._newest_at is not None:
            waited = self._newest_at - self._first_at  # whatever ran: nothing vouches for any of it
        if waited > LONGEST_WAIT:
            self._late.append(
                f"records {before + 1} to {size} had no signature for {waited.total_seconds():.0f} "
                "s: what was done to them until then, only a head that was kept elsewhere can tell"
            )

    def _next(self, upto: int) -> StoredCheckpoint | None:
        """The next one, if it goes no further than that."""
        if not self._waiting and self._signed < self._due:
            self._waiting = list(self._source(self._signed))
        last = self._last
        if last is not None and _at(last) <= self._signed:
            last = self._last = None
        if last is not None and (not self._waiting or _at(last) < _at(self._waiting[0])):
            self._last = None
            self._alone_at = _at(last)
            self._waiting.insert(0, last)
        one = self._waiting[0] if self._waiting else None
        return one if one is not None and _at(one) <= upto else None


def _at(stored: StoredCheckpoint) -> int:
    # The column is the table's primary key, and so an integer whoever writes it; another type
    # could only come from an altered table, which is a problem of its own.
    return stored.size if isinstance(stored.size, int) else 0


def _named(payload: Payload | None, name: str) -> VerifierKey:
    key = None if payload is None else payload.details.get(name)
    if not isinstance(key, str):
        raise NoteError("cannot be read any more")
    return VerifierKey.parse(key)
