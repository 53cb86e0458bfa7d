"""Which database a writer opens: one line for each place a store may be kept in."""

from __future__ import annotations

from risk_receivers.database.place import Place, Segmented, Server, segments_of
from risk_receivers.store.database import WritableDatabase
from risk_receivers.store.segmented import SegmentedDatabase
from risk_receivers.store.server import ServerDatabase


def open_writable(
    place: Place, *, busy_timeout_seconds: float, term: int | None = None
) -> WritableDatabase:
    """Opens it, on a server for the leader of a term. Raises StoreError naming it."""
    match place:
        case Server():
            return ServerDatabase(place, busy_timeout_seconds=busy_timeout_seconds, term=term)
        case Segmented(path=path):
            return SegmentedDatabase(path, busy_timeout_seconds=busy_timeout_seconds)
        case path if segments_of(path).is_dir():
            return SegmentedDatabase(path, busy_timeout_seconds=busy_timeout_seconds)
        case path:
            return WritableDatabase(path, busy_timeout_seconds=busy_timeout_seconds)
