"""The whole store in PostgreSQL: what the service knows and the audit chain, in one transaction.

Writers take turns by the lock file on one machine and by an advisory lock over all of them; both
queue, and the lock goes with the transaction, so that a writer that dies, or is cut off, holds
nobody up. What the server has acknowledged lasts: it must synchronise, or it is refused.

Where several receivers share the store, the one that leads names its term, and a writer of a term
that is over commits nothing (:mod:`risk_receivers.leadership.record`). Commands name none: they
write beside whoever leads.

Fails closed. A commit that was not acknowledged may have happened or not, nobody was answered, and
this writer writes no more; the next one goes on from what the server holds. The head is noted in a
file on this machine all the same: a server that was restored from a backup, or a standby that was
promoted before it had everything, has lost records without a word, and is caught by it.
"""

from __future__ import annotations

import contextlib
from typing import Final

from risk_receivers.audit import server_tables
from risk_receivers.database.connection import Connection, ServerError
from risk_receivers.database.place import Server
from risk_receivers.database.server import ServerConnection
from risk_receivers.leadership import record
from risk_receivers.store import head_file
from risk_receivers.store.database import StorageLostError, WritableDatabase
from risk_receivers.store.errors import StoreBusyError, StoreError

#: Any number will do, as long as nobody else locks by it in the same database: "RskW" again.
TURN: Final = 0x52736B57
_OLDEST: Final = 150_000
_SETTINGS: Final = (
    "SELECT name, setting FROM pg_settings WHERE name IN "
    "('fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'server_version_num')"
)


class ServerDatabase(WritableDatabase):
    """A connection to the server, the lock file and the noted head, used by one thread."""

    connection: ServerConnection

    def __init__(
        self, place: Server, *, busy_timeout_seconds: float, term: int | None = None
    ) -> None:
        """Connects. Raises StoreError.

        ``term`` is that of a leader, which writes nothing once it is over.
        """
        self._place = place
        self._term = term
        if place.path.exists():
            raise StoreError(
                f"{place.path} holds what was recorded until now: bring it over with riskwarden "
                "audit backup and audit restore (docs/backup.md). Or keep it, and move it and its "
                f"{head_file.path_beside(place.path).name} away to go on with what PostgreSQL holds"
            )
        super().__init__(place.path, busy_timeout_seconds=busy_timeout_seconds, name=str(place))
        self._files = (head_file.path_beside(place.path),)

    def _connect(self, busy_timeout_seconds: float) -> Connection:  # noqa: ARG002 - by statement
        return ServerConnection(self._place, read_only=False)

    def _begin(self) -> None:
        take_turn(self.connection, self.name, self._busy_timeout_seconds)
        if self._term is not None and (found := record.term(self.connection)) != self._term:
            raise StorageLostError(
                f"this service led in term {self._term}, and another one leads in term {found}"
            )

    def _commit(self) -> None:
        commit(self.connection)

    def empty_log(self) -> bool:
        """Its log is the server's own."""
        return True

    def _make_room(self) -> None:
        server_tables.make_schema(self.connection)

    def _set_pragmas(self) -> None:
        require_durable(self.connection)


def take_turn(connection: ServerConnection, name: str, timeout: float) -> None:
    """Begins a transaction in which nobody else writes. Raises StoreBusyError."""
    try:
        connection.run(
            f"BEGIN; SET LOCAL lock_timeout = {int(timeout * 1000)}; "
            f"SELECT pg_advisory_xact_lock({TURN})"
        )
    except ServerError as error:
        if not error.busy:
            raise
        with contextlib.suppress(ServerError):
            connection.execute("ROLLBACK")
        raise StoreBusyError(
            f"{name}: another writer has held the turn for more than {timeout:g} s; "
            "not recorded, try again"
        ) from error


def commit(connection: ServerConnection) -> None:
    """Makes a transaction durable. Raises StorageLostError, or ServerError."""
    # A transaction in which a statement has failed is undone by COMMIT, without an error.
    said = connection.run("COMMIT").said
    if said != "COMMIT":
        raise StorageLostError(f"the server did not commit but says {said}")


def require_durable(connection: ServerConnection) -> None:
    """Has what is committed last, or raises StoreError."""
    found = dict(connection.execute(_SETTINGS).fetchall())
    if int(found["server_version_num"]) < _OLDEST:
        raise StoreError("is older than PostgreSQL 15")
    if found["server_encoding"] != "UTF8":
        raise StoreError(f"its encoding is {found['server_encoding']}; create one with UTF8")
    for name in ("fsync", "full_page_writes"):
        if found[name] != "on":
            raise StoreError(f"runs with {name} = {found[name]}: what it confirms may be lost")
    if found["synchronous_commit"] in ("off", "local"):  # what waits for standbys may stay
        connection.run("SET synchronous_commit = on")
