"""Proofs from a stored chain: that a record is in what was signed, that one head grew from another.

Invariant: a proof that is handed out has been checked the way its receiver will, but for the
signature, which he checks with a key of his own. One that a damaged or rewritten chain would lead
to is an error, never a proof.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import TreeHead, leaf_hash
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import (
    Proof,
    ProofError,
    Tree,
    check_consistency,
    check_inclusion,
    consistency_ranges,
    hash_ranges,
    inclusion_ranges,
)
from risk_receivers.audit.note import NoteError
from risk_receivers.audit.record import StoredRow
from risk_receivers.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A record is in a signed tree.

    Attributes:
        row: the record as it is stored, its header being what was hashed.
        note: the signed checkpoint.
    """

    row: StoredRow
    head: TreeHead
    note: bytes
    proof: Proof

    @property
    def header(self) -> bytes:
        """The bytes of the leaf."""
        return self.row.header if isinstance(self.row.header, bytes) else b""

    @property
    def index(self) -> int:
        """Which leaf it is, counted from 0."""
        return self.row.seq - 1 if isinstance(self.row.seq, int) else -1

    @property
    def text(self) -> str:
        """As c2sp.org/tlog-proof has it."""
        lines = ["c2sp.org/tlog-proof@v1", f"index {self.index}"]
        lines += [base64.b64encode(one).decode() for one in self.proof]
        return "\n".join([*lines, "", self.note.decode()])


@dataclass(frozen=True, slots=True)
class Growth:
    """A signed tree begins with another one.

    Attributes:
        first_note: the signed checkpoint of the first, empty if there was none at that size.
    """

    first: TreeHead
    first_note: bytes
    proof: Proof


def prove_inclusion(connection: Connection, seq: int) -> Inclusion:
    """A record's proof against the newest checkpoint. Raises ProofError."""
    row = tables.row_at(connection, seq)
    if row is None or not isinstance(row.header, bytes):
        raise ProofError(f"there is no record {seq}")
    head, note = _newest(connection)
    if seq > head.size:
        raise ProofError(
            f"record {seq} is not signed yet; the newest checkpoint ends at {head.size}"
        )
    leaves = tables.checksums(connection, 0, head.size)
    proof = hash_ranges(leaves, inclusion_ranges(seq - 1, head.size))
    check_inclusion(leaf_hash(row.header), seq - 1, head.size, head.root, proof)
    return Inclusion(row, head, note, proof)


def prove_growth(connection: Connection, first: int) -> Growth:
    """That the newest checkpoint goes on from the first so many records. Raises ProofError."""
    head, _ = _newest(connection)
    tree = Tree()
    tree.extend(tables.checksums(connection, 0, first))
    begun = TreeHead(first, tree.root)
    ranges = consistency_ranges(first, head.size)
    proof = hash_ranges(tables.checksums(connection, 0, head.size), ranges)
    check_consistency(first, begun.root, head.size, head.root, proof)
    stored = checkpoint_table.newest(connection, first)
    kept = b""
    if stored is not None and stored.size == first and isinstance(stored.note, bytes):
        kept = stored.note
        if _head(kept) != begun:
            raise ProofError(f"the checkpoint at {first} was signed over other records than these")
    return Growth(begun, kept, proof)


def _newest(connection: Connection) -> tuple[TreeHead, bytes]:
    stored = checkpoint_table.newest(connection)
    if stored is None or not isinstance(stored.note, bytes):
        raise ProofError("nothing of this chain is signed yet")
    return _head(stored.note), stored.note


def _head(note: bytes) -> TreeHead:
    try:
        return Checkpoint.of(note)[0].head
    except NoteError as error:
        raise ProofError(f"a stored checkpoint {error}") from None
