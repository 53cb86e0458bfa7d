"""Empties SQLite's write-ahead log, in which what was deleted from the database still stands.

It is only tried: whoever reads an older state needs the log, and nobody is made to wait for them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from risk_receivers.store.lock_file import LockFile


def truncate(database: Path, *, patience_seconds: float) -> bool:
    """Empty it while nobody writes; whether that was possible.

    Raises StoreBusyError if another writer does not let go, sqlite3.Error or OSError.
    """
    lock = LockFile(database.with_name(f"{database.name}.lock"))
    try:
        with (
            lock.held(patience_seconds),
            closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection,
        ):
            # Before it is emptied, all of it is in the database, with what must not survive wiped.
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
    finally:
        lock.close()
