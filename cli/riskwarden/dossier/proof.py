"""That records are in the log as it was signed: RFC 9162 inclusion proofs. Pure.

Paths are read off a tree that is built once, so many records cost little more than one. None is
believed because it was built here: each is checked against the signed root, by the same function
that an auditor checks it with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import ProofError, check_inclusion, node_hash
from risk_receivers.audit.note import NoteError


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signed checkpoint proves of some records.

    Attributes:
        size: how many records it is over.
        note: the checkpoint itself, as it was signed.
        paths: by the record's seq, what leads from its checksum to the root.
        problem: why it proves nothing; empty if it does.
    """

    size: int
    note: str
    paths: Mapping[int, tuple[bytes, ...]]
    problem: str = ""


def prove(note: bytes, checksums: Sequence[bytes], seqs: Iterable[int]) -> Signed:
    """What a checkpoint proves of records, given the checksums of all, in order."""
    text = note.decode(errors="replace")
    try:
        checkpoint, _ = Checkpoint.of(note)
    except NoteError as error:
        return Signed(0, text, {}, f"the newest checkpoint {error}")
    size, root = checkpoint.head.size, checkpoint.head.root
    if size > len(checksums):
        return Signed(size, text, {}, f"it is over {size} records, and {len(checksums)} are there")
    levels = _levels(checksums[:size])
    paths: dict[int, tuple[bytes, ...]] = {}
    for seq in seqs:
        if not 1 <= seq <= size:
            continue  # not signed yet
        path = _path(levels, seq - 1)
        try:
            check_inclusion(checksums[seq - 1], seq - 1, size, root, path)
        except ProofError as error:
            return Signed(size, text, {}, f"record {seq}: {error}")
        paths[seq] = path
    return Signed(size, text, paths)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The tree from its leaves to its root. What has no neighbour goes up as it is."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        levels.append(above + below[len(below) - len(below) % 2 :])
    return levels


def _path(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    path = []
    for level in levels:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        index >>= 1
    return tuple(path)
