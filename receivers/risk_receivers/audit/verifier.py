"""Is the chain what was written? Looks at every byte, trusts no column, keeps no history. Pure.

Its signed checkpoints are checked in the same pass; see :mod:`.verify_checkpoints`.

What this form **cannot** see by itself: a chain that was cut off, or rewritten as a whole,
together with its checkpoints by somebody who has the key, or whose key nobody knows to be wrong.
Give the key of the right signer as ``pinned``, and a head that was noted elsewhere (a message, a
gauge, a printout) as ``expected``, and both are caught: a chain that once had that head must still
pass through it.

A clock that stepped back makes ``recorded_at`` go backwards; that is a warning, since clocks
do, unless a retention went by it (:mod:`risk_receivers.audit.clock_rule`). A payload that is gone
must have been deleted by a recorded retention (:mod:`risk_receivers.audit.retained`). Everything
else is a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import EMPTY, Head, TreeHead
from risk_receivers.audit.clock_rule import ClockRule
from risk_receivers.audit.header import Header, timestamp
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import Link, StoredRow, check_record
from risk_receivers.audit.retained import MISSING, Missing, Retained
from risk_receivers.audit.verify_checkpoints import CheckpointVerifier


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or odd, with the record it was seen at (None: the whole)."""

    seq: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.seq is None else f"record {self.seq}: {self.message}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verifier saw.

    Attributes:
        ok: nothing at all is wrong.
        events: records looked at.
        head: where the chain ends, hashed from the bytes that stand there.
        tree: the same as a root over all records; of a part of a chain it says nothing.
        signed: how far the newest checkpoint goes; 0 if there is none.
        key: which key has signed it, as people tell keys apart; empty if none.
        problems: the first of them, in order; ``problem_count`` counts all.
        warnings: the first of them, in order; ``warning_count`` counts all.
        deleted: payloads that a recorded retention deleted.
    """

    ok: bool
    events: int
    head: Head
    problems: tuple[Finding, ...]
    problem_count: int
    warnings: tuple[Finding, ...]
    warning_count: int
    tree: TreeHead
    signed: int
    key: str
    deleted: int


class Verifier:
    """Takes stored rows in order, one at a time, in constant memory."""

    def __init__(
        self,
        *expected: Head | None,
        keep: int = 10,
        start: Head = EMPTY,
        tree: Tree | None = None,
        checkpoints: CheckpointVerifier | None = None,
        missing: Missing | None = None,
        clock_rule: ClockRule | None = None,
    ) -> None:
        """Keeps the first ``keep`` problems and warnings and counts the others.

        ``start`` is the head before the first row; an empty checksum leaves that link unchecked.
        An expected head may hold a Merkle root in place of a checksum, and checkpoints can be
        checked, if that is the beginning, or with the ``tree`` before the first row, which grows.
        Without ``missing`` no payload may be gone; without ``clock_rule``, which wants the whole
        chain, nothing is said of the clock that retention went by.
        """
        self._expected = tuple(dict.fromkeys(head for head in expected if head is not None))
        self._keep = keep
        self._sizes = {head.size for head in self._expected}
        self._tree = Tree() if tree is None and start == EMPTY else tree
        self._seen = {start.size: {start.checksum, self._tree.root.hex() if self._tree else ""}}
        self._checkpoints = checkpoints
        self._problems: list[Finding] = []
        self._problem_count = 0
        self._warnings: list[Finding] = []
        self._warning_count = 0
        self._events = 0
        self._seq = start.size
        self._checksum: str | None = start.checksum or None
        self._recorded_at: datetime | None = None
        self._missing = missing or Missing(Retained())
        self._clock_rule = clock_rule
        self._deleted = 0

    def add(self, row: StoredRow | Link) -> None:
        """Checks a row by itself, if that was not done, and against the one before it."""
        self._events += 1
        if isinstance(row, Link):
            self._check_seq(row.seq)
            self._follow(row.seq, row.checksum, row)
            return
        if type(row.seq) is not int:
            self._problem(self._seq + 1, f"the seq is {type(row.seq).__name__}, not an integer")
            seq = self._seq + 1
        else:
            seq = row.seq
            self._check_seq(seq)
        record = check_record(row, reads_others=False)
        for message in record.problems:
            self._problem(seq, message)
        if record.is_gone:
            self._check_gone(seq, record.header)
        self._follow(seq, record.checksum, record.header, record.payload)

    def _follow(
        self,
        seq: int,
        checksum: bytes | None,
        header: Header | Link | None,
        payload: Payload | None = None,
    ) -> None:
        """Checks a record against the one before it, and grows the tree."""
        if header is not None:
            if self._checksum is not None and header.previous_checksum != self._checksum:
                self._problem(
                    seq,
                    "does not follow from the record before it; the link between them is broken",
                )
            self._check_time(seq, header)
        self._seq = seq
        self._checksum = None if checksum is None else checksum.hex()
        if self._tree is not None:
            self._tree.append(checksum or b"")
        if seq in self._sizes:
            self._seen[seq] = {self._checksum or "", self._tree.root.hex() if self._tree else ""}
        if self._checkpoints is not None and self._tree is not None:
            for message in self._checkpoints.add(seq, header, payload, self._tree):
                self._problem(None, message)

    def report(self, message: str, seq: int | None = None) -> None:
        """Adds a problem that was seen elsewhere, such as a page that could not be read."""
        self._problem(seq, message)

    def warn(self, message: str, seq: int | None = None) -> None:
        """Adds something odd that is no proof of harm."""
        self._warning_count += 1
        if len(self._warnings) < self._keep:
            self._warnings.append(Finding(seq, message))

    def finish(self, now: datetime | None = None) -> Verification:
        """The result over all rows added so far, by a clock that shows ``now``."""
        if self._clock_rule:
            for seq, message in self._clock_rule.finish(now):
                self._problem(seq, message)
        for expected in self._expected:
            self._check_expected(expected)
        if self._checkpoints is not None:
            for message in self._checkpoints.finish(self._seq):
                self._problem(None, message)
            for message in self._checkpoints.late:
                self.warn(message)
        tree = self._tree or Tree()
        return Verification(
            ok=self._problem_count == 0,
            events=self._events,
            head=Head(self._seq, self._checksum or ""),
            problems=tuple(self._problems),
            problem_count=self._problem_count,
            warnings=tuple(self._warnings),
            warning_count=self._warning_count,
            tree=TreeHead(tree.size, tree.root),
            signed=self._checkpoints.signed if self._checkpoints else 0,
            key=self._checkpoints.signed_by if self._checkpoints else "",
            deleted=self._deleted,
        )

    def _check_gone(self, seq: int, header: Header | None) -> None:
        found = self._missing.explain(header) if header else MISSING
        if isinstance(found, str):
            self._problem(seq, found)
        else:
            self._deleted += 1

    def _check_seq(self, seq: int) -> None:
        wanted = self._seq + 1
        if seq > wanted:
            missing = f"record {wanted} is" if seq == wanted + 1 else f"{wanted} to {seq - 1} are"
            self._problem(seq, f"{missing} missing before it")
        elif seq < wanted:
            self._problem(seq, f"stands where record {wanted} should; it is repeated or moved")

    def _check_time(self, seq: int, header: Header | Link) -> None:
        recorded_at = header.recorded_at
        if self._recorded_at is not None and recorded_at < self._recorded_at:
            earlier, later = timestamp(recorded_at), timestamp(self._recorded_at)
            self.warn(f"recorded at {earlier}, before the record it follows ({later})", seq)
        self._recorded_at = recorded_at
        if self._clock_rule:
            retention = header.event_type == EventType.RETENTION_APPLIED
            for about, message in self._clock_rule.add(seq, recorded_at, retention=retention):
                self._problem(about, message)

    def _check_expected(self, expected: Head) -> None:
        if self._seq < expected.size:
            self._problem(
                None,
                f"the chain ends at {self._seq}, but it was seen with {expected.size} records: "
                "its end was cut off",
            )
        elif not any(
            seen.startswith(expected.checksum) for seen in self._seen.get(expected.size, ())
        ):
            self._problem(
                None,
                f"record {expected.size} does not have the checksum it was seen with, nor the root "
                f"({expected.checksum}): the chain was rewritten",
            )

    def _problem(self, seq: int | None, message: str) -> None:
        self._problem_count += 1
        if len(self._problems) < self._keep:
            self._problems.append(Finding(seq, message))
