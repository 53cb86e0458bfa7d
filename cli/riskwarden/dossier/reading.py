"""The audit chain at rest or in use, read for a dossier: the edge of :mod:`trail`."""

from __future__ import annotations

from pathlib import Path

from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.verify import Progress
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.verification import verify_store
from riskwarden.dossier.listing import Known, incidents
from riskwarden.dossier.trail import Gatherer, Trail


def read_trail(
    database: Place,
    incident: str,
    *,
    signing_key: Path | None = None,
    progress: Progress | None = None,
) -> Trail:
    """What is on record of an incident, and whether the whole chain is intact.

    Raises UnreadableDatabaseError, or ValueError if that is no incident's id.
    """

    def ask(connection: Connection) -> tuple[Gatherer, bytes | None]:
        # First: all that is signed by now is there when the records are read.
        newest = checkpoint_table.newest(connection)
        gatherer = Gatherer(incident)
        for row in tables.rows(connection):
            gatherer.add(row)
        return gatherer, newest.note if newest and isinstance(newest.note, bytes) else None

    gatherer, checkpoint = tables.read(database, ask)
    verification = verify_store(database, signing_key=signing_key, progress=progress)
    return gatherer.finish(verification, checkpoint)


def read_incidents(database: Place) -> list[Known]:
    """Every incident on record, the latest first. Raises UnreadableDatabaseError."""
    return tables.read(database, lambda connection: incidents(tables.rows(connection)))
