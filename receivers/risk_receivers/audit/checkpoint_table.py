"""The table of signed checkpoints: how it is read, how one gets in.

Beside each stands the tree's frontier at that size, so that whoever starts needs to read the
checksums beyond it only. It is trusted no further than that it leads to the signed root.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from risk_receivers.audit import tables
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import HASH_BYTES, Tree
from risk_receivers.audit.note import NoteError
from risk_receivers.database.connection import DATABASE_ERRORS, Connection


class StoredCheckpoint(NamedTuple):
    """A row as the database gives it; whoever tampers is not bound by its types."""

    size: object
    note: object


def insert(connection: Connection, note: bytes, frontier: Sequence[bytes]) -> None:
    """Stores a checkpoint of this chain. One of the same size stays, whoever came first."""
    size = Checkpoint.of(note)[0].head.size
    connection.execute(
        "INSERT INTO audit_checkpoint(size, note, frontier) VALUES (?, ?, ?)"
        " ON CONFLICT (size) DO NOTHING",
        (size, note, b"".join(frontier)),
    )


def after(connection: Connection, size: int, limit: int) -> list[StoredCheckpoint]:
    """The first ``limit`` checkpoints beyond a size, in order; none if there is no such table."""
    if not exists(connection):
        return []
    found = connection.execute(
        "SELECT size, note FROM audit_checkpoint WHERE size > ? ORDER BY size LIMIT ?",
        (size, limit),
    ).fetchall()
    return [StoredCheckpoint(*row) for row in found]


def newest(connection: Connection, upto: int = 2**62) -> StoredCheckpoint | None:
    """The last checkpoint, or the last up to a size."""
    if not exists(connection):
        return None
    row = connection.execute(
        "SELECT size, note FROM audit_checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1",
        (upto,),
    ).fetchone()
    return None if row is None else StoredCheckpoint(*row)


def newest_size(connection: Connection) -> int:
    """How far the last checkpoint goes; 0 if there is none, or none that can be read."""
    with suppress(*DATABASE_ERRORS):
        found = newest(connection)
        return found.size if found is not None and isinstance(found.size, int) else 0
    return 0


def tree(connection: Connection, size: int) -> Tree:
    """The tree up to the newest checkpoint of at most that size whose frontier fits it.

    An empty one if there is none; then everything has to be read.
    """
    for row_size, note, frontier in connection.execute(
        "SELECT size, note, frontier FROM audit_checkpoint WHERE size <= ?"
        " ORDER BY size DESC LIMIT 1",
        (size,),
    ):
        try:
            head = Checkpoint.of(note)[0].head
            hashes = [
                frontier[begin : begin + HASH_BYTES]
                for begin in range(0, len(frontier), HASH_BYTES)
            ]
            found = Tree(row_size, hashes)
        except (NoteError, ValueError, TypeError, AttributeError):
            break  # damage is the verifier's to find; here it only costs time
        if (head.size, head.root) == (row_size, found.root):
            return found
    return Tree()


def exists(connection: Connection) -> bool:
    """Whether the database has the table at all."""
    return "audit_checkpoint" in tables.names(connection)
