"""Single values that the service keeps beside its records, by name.

Written in the transaction of what they belong to, so that neither is there without the other.
"""

from __future__ import annotations

import sqlite3


def fact(connection: sqlite3.Connection, name: str) -> str | None:
    """What is kept under a name; None if nothing is."""
    row = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def keep_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a value under a name, in place of the one before."""
    connection.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))


def forget_fact(connection: sqlite3.Connection, name: str) -> None:
    """Keep nothing under a name any more."""
    connection.execute("DELETE FROM fact WHERE name = ?", (name,))
