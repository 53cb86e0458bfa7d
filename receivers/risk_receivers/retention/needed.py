"""What is in force is not deleted, however old: its records are what it stands on.

Kills and restrictions are restored from the chain if their tables were tampered with. So the
records of either stay from the oldest one that is in force on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.header import Header
from risk_receivers.database.connection import Connection
from risk_receivers.kill import journal
from risk_receivers.schema import from_text

KILL: Final = "KILL_SWITCH_"
RESTRICTION: Final = "RESTRICTION_"


def needed(connection: Connection) -> Callable[[Header], bool]:
    """Says of a record whether what it tells of is in force."""
    names = tables.names(connection)
    since: dict[str, datetime] = {}
    if "kill_event" in names:
        board = journal.load(connection)
        begun = [one.since for one in board.in_force if one.since is not None]
        if begun:
            since[KILL] = min(begun)
    if "restriction" in names:
        (oldest,) = connection.execute("SELECT min(since) FROM restriction").fetchone()
        if oldest is not None:
            since[RESTRICTION] = from_text(oldest)

    def is_needed(header: Header) -> bool:
        kind = str(header.event_type)
        return any(
            kind.startswith(prefix) and header.recorded_at >= begun
            for prefix, begun in since.items()
        )

    return is_needed
