"""Who leads, as it stands in the database: one row, and one lock that goes with its connection.

The row lives in a schema of its own, so that neither a backup nor a restore of the store touches
it: a term, once given, is never given again. Two things make a leader, and each fails closed:

- **The lock** is held by the leader's connection. It is free the moment the leader's process or
  machine lets go of that connection, so a leader that died is followed at once.
- **The term** is raised under the writers' own turn, and every writing transaction of a leader
  looks at it under that turn. So from the commit of a new term on, no leader before can commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from risk_receivers.database.server import PROCESS, ServerConnection

SCHEMA: Final = "riskwarden_lead"
#: Any number will do, as long as nobody else locks by it in the same database: "RskL".
LOCK: Final = 0x52736B4C
_TABLE: Final = f"{SCHEMA}.leader"
_HAS_SCHEMA: Final = "SELECT 1 FROM pg_namespace WHERE nspname = ?"
_MAKE: Final = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE}(one BOOLEAN PRIMARY KEY CHECK (one), "
    "term BIGINT NOT NULL, beats BIGINT NOT NULL, address TEXT NOT NULL, "
    "policy_digest TEXT NOT NULL, process TEXT NOT NULL)"
)
_CLAIM: Final = (
    f"INSERT INTO {_TABLE} AS was (one, term, beats, address, policy_digest, process) "  # noqa: S608
    "VALUES (true, 1, 0, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET term = was.term + 1, beats = 0, "
    "address = excluded.address, policy_digest = excluded.policy_digest, "
    "process = excluded.process RETURNING term"
)
_END: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = ? AND datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, or led last.

    Attributes:
        beats: grows with each sign of life.
        address: where its API is reached.
        process: as what its connections are known to the server.
    """

    term: int
    beats: int
    address: str
    policy_digest: str
    process: str


def read(connection: ServerConnection) -> Leader | None:
    """What stands there; None if nobody has led yet. Raises ServerError."""
    if connection.execute("SELECT to_regclass(?)", (_TABLE,)).fetchone()[0] is None:
        return None
    row = connection.execute(
        f"SELECT term, beats, address, policy_digest, process FROM {_TABLE}"  # noqa: S608 - our own name
    ).fetchone()
    return None if row is None else Leader(*row)


def term(connection: ServerConnection) -> int:
    """The term in force. Raises ServerError."""
    row = connection.execute(f"SELECT term FROM {_TABLE}").fetchone()  # noqa: S608 - our own name
    return 0 if row is None else int(row[0])


def lock(connection: ServerConnection) -> bool:
    """Take the lock for this connection, unless another has it. Raises ServerError."""
    return bool(connection.execute("SELECT pg_try_advisory_lock(?)", (LOCK,)).fetchone()[0])


def unlock(connection: ServerConnection) -> None:
    """Let another have the lock. Raises ServerError."""
    connection.execute("SELECT pg_advisory_unlock(?)", (LOCK,))


def claim(connection: ServerConnection, address: str, policy_digest: str) -> int:
    """Begin a new term, within a transaction that has the writers' turn. Raises ServerError."""
    if connection.execute(_HAS_SCHEMA, (SCHEMA,)).fetchone() is None:
        connection.run(f"CREATE SCHEMA {SCHEMA}")
    connection.run(_MAKE)
    return int(connection.execute(_CLAIM, (address, policy_digest, PROCESS)).fetchone()[0])


def beat(connection: ServerConnection, term: int) -> bool:
    """Give a sign of life; whether the term is still this one. Raises ServerError."""
    return (
        connection.execute(
            f"UPDATE {_TABLE} SET beats = beats + 1 WHERE term = ?",  # noqa: S608 - our own name
            (term,),
        ).rowcount
        == 1
    )


def end(connection: ServerConnection, leader: Leader) -> int:
    """End every connection of a leader; how many there were. Raises ServerError."""
    return len(connection.execute(_END, (leader.process,)).fetchall())
