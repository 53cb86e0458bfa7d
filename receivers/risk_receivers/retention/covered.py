"""How much of what is there falls under a hold, so that a misspelt name is seen. Reads only."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.holds import HoldFilter
from risk_receivers.audit.record import readable
from risk_receivers.database.place import Place
from risk_receivers.retention.plan import Reached

#: Records of one look at the database: some milliseconds.
_PAGE: Final = 2000


def count(place: Place, covers: HoldFilter, until: int, reached: Reached) -> int:
    """How many payloads there are in front of a record that it covers. Raises DATABASE_ERRORS."""
    found = after = 0
    with closing(tables.open_read_only(place)) as connection:
        while after < until - 1:
            rows = tables.rows_after(connection, after, min(_PAGE, until - 1 - after))
            found += sum(
                payload is not None and covers.covers(header, payload)
                for _, header, payload in readable(rows)
            )
            after = max((row.seq for row in rows if type(row.seq) is int), default=until)
            reached(min(after, until), until)
    return found
