"""The wall clock, for whoever is not given another one."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)
