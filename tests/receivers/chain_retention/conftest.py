"""A chain whose clock is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stores
from chain_archive import Archive


@pytest.fixture
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """Empty: in SQLite, or where the test's parameter says."""
    backend = getattr(request, "param", "sqlite")
    path = tmp_path / "audit.db"
    with stores.kept(backend, path, lambda: request.getfixturevalue("postgres")) as place:
        made = Archive(place)
        yield made
        made.writer.stop()
