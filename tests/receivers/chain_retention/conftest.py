"""A chain whose clock is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Empty."""
    made = Archive(tmp_path)
    yield made
    made.writer.stop()
