"""Verify all that is on record: the chain, its noted head, and the kill switch's table by it."""

from __future__ import annotations

from pathlib import Path

from risk_receivers import kill_chain
from risk_receivers.audit.verify import Progress, Verification, verify_database
from risk_receivers.store import head_file


def verify_store(database: Path, *, progress: Progress | None = None) -> Verification:
    """Verify a database of this service, also while it runs. Raises UnreadableDatabaseError."""
    expected, complaints = None, []
    try:
        expected = head_file.read(database)  # first: the chain may only have grown since
    except head_file.NotedHeadError as error:
        complaints.append(str(error))
    return verify_database(
        database,
        progress=progress,
        expected=expected,
        checks=(lambda _: complaints, kill_chain.disagreements),
    )
