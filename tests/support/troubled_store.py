"""Keeping a store from committing, and what is kept beside it meanwhile."""

from __future__ import annotations

import fcntl
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import SpooledTrip


def break_store(receivers: Any) -> None:
    """From now on no file of the service may grow beyond what the store already has."""
    limits = (8192, resource.RLIM_INFINITY)
    resource.prlimit(receivers.process.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def stalled_store(receivers: Any) -> Iterator[None]:
    """Hold the store's lock, as a writer that never comes back would."""
    lock = receivers.database.with_name(f"{receivers.database.name}.lock")
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_database(receivers: Any) -> Iterator[None]:
    """Hold the database itself, as a shell or a backup does that ignores the lock."""
    with closing(sqlite3.connect(receivers.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def spooled(receivers: Any) -> list[SpooledTrip]:
    spool = Spool(receivers.data / "spool")
    spool.open()
    spool.close()
    return list(spool.pending)
