"""Single values that the service keeps beside its records, by name.

Written in the transaction of what they belong to, so that neither is there without the other.
"""

from __future__ import annotations

from risk_receivers.database.connection import Connection


def fact(connection: Connection, name: str) -> str | None:
    """What is kept under a name; None if nothing is."""
    row = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def keep_fact(connection: Connection, name: str, value: str) -> None:
    """Keep a value under a name, in place of the one before."""
    connection.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def forget_fact(connection: Connection, name: str) -> None:
    """Keep nothing under a name any more."""
    connection.execute("DELETE FROM fact WHERE name = ?", (name,))
