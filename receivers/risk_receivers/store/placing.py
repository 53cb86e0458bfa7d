"""A restored store takes the place where the policy has one kept.

What is there is moved aside, never deleted. Whenever this ends, by ``kill -9`` too, there is either
what was there, or all of what was restored, or something that the next start refuses: the head
that was noted beside the store is replaced last, so that nothing older passes for it, and no
empty store is begun meanwhile. The same command, given again, goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from risk_receivers.audit import server_tables, tables
from risk_receivers.audit.verify import Progress
from risk_receivers.database.place import Place, Segmented, Server, path_of, segments_of
from risk_receivers.database.server import SCHEMA as SERVER_SCHEMA
from risk_receivers.database.server import ServerConnection
from risk_receivers.schema import SCHEMA
from risk_receivers.store import head_file, server
from risk_receivers.store.errors import StoreBusyError, StoreError
from risk_receivers.store.opening import open_writable
from risk_receivers.store.pouring import pour, stored_rows
from risk_receivers.store.reserve import sync_folder

_PATIENCE_SECONDS: Final = 15.0
#: A server takes a moment to see that a process has gone.
_FAREWELL_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05
#: What SQLite keeps beside a database that is open.
_LOG: Final = ("-wal", "-shm")
_POLITE: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'riskwarden%' AND pid <> pg_backend_pid()"
)


def in_the_way(target: Place) -> list[str]:
    """What is there already. Raises UnreadableDatabaseError, or one of DATABASE_ERRORS."""
    path = path_of(target)
    found = [str(one) for one in (path, segments_of(path)) if one.exists()]
    if isinstance(target, Server):
        with closing(ServerConnection(target, read_only=True)) as connection:
            if tables.check_version(connection):
                found.append(f"the schema {SERVER_SCHEMA} of {target}")
    return found


def take_place(
    staging: Path, target: Place, suffix: str, then: Callable[[], None], progress: Progress
) -> list[str]:
    """Let a store in one SQLite database, at rest, take its place; what was moved aside, as what.

    ``then`` is called once its records are there, before its head is noted.
    Raises StoreError, OSError, or one of DATABASE_ERRORS.
    """
    path = path_of(target)
    aside = path.with_name(f"{path.name}.{suffix}")
    if not isinstance(target, Server):
        with _undisturbed():
            moved = _move_aside(path, aside)
            staging.replace(path)
            _note(staging, path, then)
        return moved
    with closing(ServerConnection(target, read_only=False)) as connection:
        schema = _load(connection, staging, target, suffix, progress)
        with _undisturbed():
            server.commit(connection)
            moved = ([f"schema {schema}"] if schema else []) + _move_aside(path, aside)
            path.unlink(missing_ok=True)  # it is the one that has another name by now
            _note(staging, path, then)
    return moved


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No polite signal ends the command between two files."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _POLITE}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(staging: Path, path: Path, then: Callable[[], None]) -> None:
    then()
    head_file.path_beside(staging).replace(head_file.path_beside(path))
    sync_folder(path.parent)


def file_chain(target: Segmented) -> None:
    """Move a restored chain to segment files, as the next start would. Raises StoreError."""
    with closing(open_writable(target, busy_timeout_seconds=_PATIENCE_SECONDS)) as database:
        head = database.prepare(())
        with database.locked():
            database.begin()  # lets go of what the files hold by now
            database.commit(head, head)


def _move_aside(path: Path, aside: Path) -> list[str]:
    """Everything gets another name. The database and its noted head keep theirs as well."""
    if path.exists():
        with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # A database that met another's log would take it for its own.
    for side in _LOG:
        log = path.with_name(f"{path.name}{side}")
        if log.exists():
            log.rename(aside.with_name(f"{aside.name}{side}"))
    moved = [aside.name for one in (path, segments_of(path)) if one.exists()]
    for file, name in (
        (path, aside),
        (head_file.path_beside(path), head_file.path_beside(aside)),
    ):
        if file.exists():
            os.link(file, name)
    if segments_of(path).is_dir():
        segments_of(path).rename(segments_of(aside))
    sync_folder(path.parent)
    return moved[:1]


def _load(
    connection: ServerConnection, staging: Path, target: Server, suffix: str, progress: Progress
) -> str | None:
    """Everything, in a transaction that is not over; the name that the schema has which was there.

    What was written is read back and compared within it.
    """
    try:
        server.require_durable(connection)
    except StoreError as error:
        raise StoreError(f"{target}: {error}") from error
    _require_alone(connection, target)
    server.take_turn(connection, str(target), _PATIENCE_SECONDS)
    tables.check_version(connection)  # another program's is left where it is
    moved = server_tables.move_aside(connection, suffix.replace("-", "_").lower())
    server_tables.make_schema(connection)
    with closing(tables.open_read_only(staging, immutable=True)) as source:
        end = tables.head(source)
        pour(source, stored_rows(source, end), end, connection, SCHEMA, progress)
    return moved


def _require_alone(connection: ServerConnection, target: Server) -> None:
    """Raises StoreBusyError if anybody else uses it, who has not only just let go of it."""
    until = time.monotonic() + _FAREWELL_SECONDS
    while (others := connection.execute(_OTHERS).fetchone()[0]) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    if others:
        raise StoreBusyError(
            f"{target}: {others} more connections of Riskwarden are open; stop the receivers, "
            "and whatever else uses it, on every machine"
        )
