"""Reads out of a database what its chain tells of retention and legal holds.

Only records that are whole tell anything: whose checksum is their header's and whose payload is
the one that the header's hash was made of. Whether they follow from what is before them is the
verifier's business.
"""

from __future__ import annotations

from dataclasses import replace

from risk_receivers.audit import tables
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.retained import PREFIXES, Missing, Retained
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place


def read(connection: Connection, known: Retained | None = None) -> Retained:
    """What is told, read on from what is known. Raises one of DATABASE_ERRORS."""
    known = known or Retained()
    for rows in tables.stretches_beginning(connection, PREFIXES, known.through):
        for row in rows:
            known = after_row(known, row)
    return known


def after_row(known: Retained, row: StoredRow) -> Retained:
    """With one more row, which may hold anything."""
    record = check_record(row)
    if record.header is not None and record.payload is not None and not record.problems:
        return known.after(record.header, record.payload)
    return replace(known, through=row.seq) if type(row.seq) is int else known


class Known:
    """What was read so far, kept for the next question. Whoever asks may be any thread."""

    def __init__(self) -> None:
        self._retained = Retained()

    def missing(self, connection: Connection) -> Missing:
        """Judges what is gone from a database; reads on only if something cannot be explained."""

        def more(retained: Retained) -> Retained:
            self._retained = read(connection, retained)
            return self._retained

        return Missing(self._retained, more)


def missing_at(place: Place) -> Missing:
    """Judges what is gone from a chain; opens it whenever something cannot be explained yet."""
    return Missing(
        Retained(), lambda known: tables.read(place, lambda connection: read(connection, known))
    )
