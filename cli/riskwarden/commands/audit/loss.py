"""How far a store is known to have come, and what is lost if something older takes its place."""

from __future__ import annotations

import contextlib
from pathlib import Path

from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.errors import ReceiversError
from risk_receivers.signer.files import read_state, state_path
from risk_receivers.store import head_file
from riskwarden.commands.common import fail


def furthest(target: Place, signing_key: Path) -> Head | None:
    """The furthest that the store is known to have reached: by its noted head, itself, its signer.

    Each of them may be gone or unreadable, which is what something is being restored for. What is
    to be kept by a server may have been kept in files until now.
    """
    heads: list[Head] = []
    database = path_of(target)
    places: list[Place] = [database] if database.exists() else []
    places += [target] if isinstance(target, Server) else []
    with contextlib.suppress(head_file.NotedHeadError):
        if noted := head_file.read(database):
            heads.append(noted)
    for place in places:
        with contextlib.suppress(ReceiversError, *DATABASE_ERRORS):
            heads.append(tables.read(place, tables.head))
    with contextlib.suppress(ReceiversError, OSError):
        state = read_state(state_path(signing_key))
        if state.size > max((head.size for head in heads), default=0):
            heads.append(Head(state.size, state.tree.root.hex()))
    return max(heads, key=lambda head: head.size, default=None)


def lost_or_fail(copy: Path, head: Head, noted: Head | None, accepted: int | None) -> int:
    """How many records are lost, or the command ends unless somebody has named their number."""
    if noted is None or noted == EMPTY:
        lost, why = 0, ""
    elif noted.size > head.size:
        lost = noted.size - head.size
        why = f"the store had {noted.size} records, the backup has {head.size}"
    else:
        is_same = noted.checksum in _seen_at(copy, noted.size)
        lost = 0 if is_same else noted.size
        why = f"the backup is of another chain: its record {noted.size} is not the store's"
    if lost != (accepted or 0):
        if not lost:
            fail(f"--accept-loss {accepted}: no records are lost; leave it out")
        fail(f"{why}: {lost} would be lost. To go on, --accept-loss {lost}", 1)
    return lost


def _seen_at(copy: Path, size: int) -> set[str]:
    """The checksum and the root that a chain had at a size."""

    def ask(connection: Connection) -> set[str]:
        tree = checkpoint_table.tree(connection, size)
        tree.extend(tables.checksums(connection, tree.size, size))
        row = tables.row_at(connection, size)
        checksum = row.checksum if row is not None else None
        return {tree.root.hex(), checksum.hex() if isinstance(checksum, bytes) else ""}

    return tables.read(copy, ask)
