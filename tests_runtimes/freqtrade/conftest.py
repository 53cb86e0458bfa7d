"""A bot with five open trades on a loopback exchange, the receivers, and a sidecar between them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from loopback_exchange import LoopbackExchange
from rig import Bot, Process, Receivers, Sidecar

#: Before the crash of 2008, near the highest prices of the book.
BEFORE_THE_CRASH = date(2008, 1, 2)


@pytest.fixture
def exchange() -> Iterator[LoopbackExchange]:
    with LoopbackExchange(BEFORE_THE_CRASH) as running:
        yield running


@pytest.fixture
def running() -> Iterator[list[Process]]:
    """Processes that end with the test."""
    started: list[Process] = []
    yield started
    for process in reversed(started):
        process.close()


@pytest.fixture
def bot(tmp_path: Path, exchange: LoopbackExchange, running: list[Process]) -> Bot:
    """Configured, not started."""
    running.append(made := Bot(tmp_path, exchange))
    return made


@pytest.fixture
def receivers(tmp_path: Path, running: list[Process]) -> Receivers:
    """Configured, not started."""
    running.append(made := Receivers(tmp_path))
    return made


@pytest.fixture
def sidecar(tmp_path: Path, bot: Bot, receivers: Receivers, running: list[Process]) -> Sidecar:
    """Configured, not started."""
    running.append(made := Sidecar(tmp_path, bot, receivers))
    return made
