"""The audit chain at rest or in use, read for a dossier: the edge of :mod:`trail`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from risk_receivers.audit import tables
from risk_receivers.audit.verify import Verifier
from risk_receivers.store import head_file
from riskwarden.dossier.listing import Known, incidents
from riskwarden.dossier.trail import Gatherer, Trail


def read_trail(database: Path, incident: str) -> Trail:
    """What is on record of an incident, and whether the chain is intact.

    Raises UnreadableDatabaseError, or ValueError if that is no incident's id.
    """
    noted, complaint = None, ""
    try:
        noted = head_file.read(database)  # first: the chain may only have grown since
    except head_file.NotedHeadError as error:
        complaint = str(error)

    def ask(connection: sqlite3.Connection) -> Trail:
        gatherer, verifier = Gatherer(incident), Verifier(noted)
        for row in tables.rows(connection):
            verifier.add(row)
            gatherer.add(row)
        if complaint:
            verifier.report(complaint)
        return gatherer.finish(verifier.finish())

    return tables.read(database, ask)


def read_incidents(database: Path) -> list[Known]:
    """Every incident on record, the latest first. Raises UnreadableDatabaseError."""
    return tables.read(database, lambda connection: incidents(tables.rows(connection)))
