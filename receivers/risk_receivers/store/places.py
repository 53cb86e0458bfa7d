"""Where the policy has a store kept."""

from __future__ import annotations

from pathlib import Path

from risk_policy import UnsetVariableError
from risk_policy.model.audit import Audit
from risk_receivers.database.place import Place, Segmented, Server, segments_of
from risk_receivers.database.server import dsn_problem
from risk_receivers.errors import StartError


def place_of(audit: Audit, data: Path) -> Place:
    """The place, in or for a data folder. Raises StartError."""
    place = named_place(audit, data)
    if isinstance(place, Path) and segments_of(place).is_dir():
        raise StartError(
            f"{place}: its audit chain is in {segments_of(place)}; say so with "
            'alerting.audit.storage_backend = "jsonl", or bring it over with riskwarden audit '
            "backup and audit restore (docs/backup.md)"
        )
    return place


def named_place(audit: Audit, data: Path) -> Place:
    """The same, whatever is there by now. Raises StartError."""
    path = data / audit.database_path
    match audit.storage_backend:
        case "jsonl":
            return Segmented(path)
        case "postgresql":
            key = "alerting.audit.postgresql.dsn"
            try:
                dsn = audit.postgresql.dsn.reveal()
            except UnsetVariableError as error:
                raise StartError(f"{key}: {error}") from None
            if problem := dsn_problem(dsn):
                raise StartError(f"{key}: what {audit.postgresql.dsn} holds {problem}")
            return Server(dsn, path)
    return path
