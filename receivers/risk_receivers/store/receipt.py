"""The record of a backup, kept beside it as the line that a segment file would have.

It was written after the copy was made, so it is not in the copy. It tells which file was made, and
where the store went on: a backup of a store at rest is put back with it, and nothing is lost.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head, Record
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.segments import decode, encode
from risk_receivers.audit.verifier import Verifier
from risk_receivers.database.place import Place
from risk_receivers.store.errors import StoreError


class ReceiptError(StoreError):
    """A receipt is none, or another file's."""


def path_beside(backup: Path) -> Path:
    """Where a backup's receipt is kept."""
    return backup.with_name(f"{backup.name}.receipt")


def keep(place: Place, seq: int, backup: Path) -> None:
    """Keep a store's record beside a backup, for its owner alone, durably.

    Raises ReceiptError, UnreadableDatabaseError or OSError.
    """
    row = tables.read(place, lambda connection: tables.row_at(connection, seq))
    if row is None:
        raise ReceiptError(f"{place}: record {seq} is gone as soon as it was written")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path_beside(backup), flags, 0o600), "wb") as file:
        file.write(encode(row))
        file.flush()
        os.fsync(file.fileno())


def read(backup: Path, digest: str) -> StoredRow | None:
    """The receipt of a backup whose SHA-256 this is; None if there is none.

    Raises ReceiptError, also if it is about a file with other bytes.
    """
    path = path_beside(backup)
    try:
        line = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReceiptError(f"{path}: cannot be read: {error.strerror}") from error
    row = decode(line.removesuffix(b"\n"))
    record = None if row is None else check_record(row)
    if row is None or record is None or record.problems or record.payload is None:
        raise ReceiptError(
            f"{path}: is not the receipt that was written; take another backup, or move the "
            "receipt away to rely on the backup's own chain"
        )
    made = record.payload.details.get("file_sha256")
    if record.header is None or record.header.event_type != EventType.AUDIT_BACKED_UP:
        raise ReceiptError(f"{path}: is the record of something else than a backup")
    if made != digest:
        raise ReceiptError(
            f"{backup}: was changed since it was made, or the receipt beside it is another's: "
            f"the file has SHA-256 {digest}, {path.name} tells of {made}. Take another backup"
        )
    return row


def follows(row: StoredRow, head: Head) -> bool:
    """Whether it is the very next record of a chain that ends there."""
    verifier = Verifier(start=head)
    verifier.add(row)
    return verifier.finish().ok


def append(row: StoredRow, database: Path) -> Head:
    """Add it to a copy at rest, whose chain it follows; where that ends now."""
    seq, header, checksum, salt, payload = row
    assert isinstance(seq, int)
    cells = (header, checksum, salt, payload)
    record = Record(seq, *(bytes(cell) for cell in cells if isinstance(cell, bytes)))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables.insert(connection, record)
        connection.execute("COMMIT")
    return record.head
