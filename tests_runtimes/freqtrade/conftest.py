"""One dry-run bot on a loopback exchange for all tests; receivers and sidecar anew for each.

A bot takes ten seconds and more to start, most of it to import its libraries. Before each test it
is brought back to where the tests begin: running, unlocked, with five open trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from gate_writer import GateWriter
from loopback_exchange import LoopbackExchange
from rig import Bot, Process, Receivers, Sidecar

#: Before the crash of 2008, near the highest prices of the book.
BEFORE_THE_CRASH = date(2008, 1, 2)


@pytest.fixture(scope="session")
def exchange() -> Iterator[LoopbackExchange]:
    with LoopbackExchange(BEFORE_THE_CRASH) as running:
        yield running


@pytest.fixture(scope="session")
def shared_bot(
    tmp_path_factory: pytest.TempPathFactory, exchange: LoopbackExchange
) -> Iterator[Bot]:
    started = Bot(tmp_path_factory.mktemp("bot"), exchange)
    started.start()
    yield started
    started.close()


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> GateWriter:
    """The guarded bot's; nothing is published yet."""
    return GateWriter(tmp_path_factory.mktemp("gates") / "gate")


@pytest.fixture(scope="session", autouse=True)
def guarded_bot(
    tmp_path_factory: pytest.TempPathFactory, exchange: LoopbackExchange, gate: GateWriter
) -> Iterator[Bot]:
    """Started with the first test, so that it is up when its own begins."""
    started = Bot(tmp_path_factory.mktemp("guarded"), exchange)
    started.strategy = "GuardedEager"
    started.start(GATE_OF_THE_TESTS=str(gate.directory))
    yield started
    started.close()


@pytest.fixture
def bot(shared_bot: Bot, exchange: LoopbackExchange) -> Bot:
    """Running, with five open trades and no locks."""
    exchange.move_to(BEFORE_THE_CRASH)
    shared_bot.begin_anew()
    return shared_bot


@pytest.fixture
def running() -> Iterator[list[Process]]:
    """Processes that end with the test."""
    started: list[Process] = []
    yield started
    for process in reversed(started):
        process.close()


@pytest.fixture
def receivers(tmp_path: Path, running: list[Process]) -> Receivers:
    """Ready, with an open gate."""
    running.append(made := Receivers(tmp_path))
    made.start()
    return made


@pytest.fixture
def sidecar(tmp_path: Path, bot: Bot, receivers: Receivers, running: list[Process]) -> Sidecar:
    """Configured, not started."""
    running.append(made := Sidecar(tmp_path, bot.port, receivers))
    return made


@pytest.fixture
def alone(tmp_path: Path, running: list[Process]) -> Sidecar:
    """A sidecar without receivers, for a bot that nobody has started."""
    running.append(made := Sidecar(tmp_path, 1, Receivers(tmp_path)))
    return made
