"""Verify all that is on record: the chain, its noted head, and the kill switch's table by it."""

from __future__ import annotations

from pathlib import Path

from risk_receivers import kill_chain
from risk_receivers.audit.verify import Progress, Verification, verify_database


def verify_store(database: Path, *, progress: Progress | None = None) -> Verification:
    """Verify a database of this service, also while it runs. Raises UnreadableDatabaseError."""
    return verify_database(database, progress=progress, checks=(kill_chain.disagreements,))
