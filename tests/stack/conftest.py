"""A whole stack of real processes on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack_under_test import Running

from riskwarden.stack.processes import Processes


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A stack that is configured but not started; every process ends with the test."""
    (tmp_path / "log").mkdir()
    with Processes(tmp_path / "log") as processes:
        yield Running(tmp_path, processes)
