"""Real processes: killed at any moment, and writing at the same time."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import nursery
import pytest
from stores import as_code, in_every_backend

from risk_receivers.audit.query import events
from risk_receivers.audit.verify import verify_database
from risk_receivers.database.place import Place, Segmented, Server

#: Lives of a store: where a crash is met by files of our own, and elsewhere.
ROUNDS = {Path: 8, Segmented: 8, Server: 3}
ENDLESS = 1_000_000
pytestmark = in_every_backend("path")


class Process:
    """One that writes, whose output is read while it runs."""

    def __init__(self, place: Place, origin: str, wanted: int, folder: Path) -> None:
        said = folder / origin
        os.mkfifo(said)
        self._born = nursery.start(
            "writing_process",
            *(as_code(place), origin, str(wanted)),
            environ=os.environ,
            out=said,
            err=folder / f"{origin}.errors",
        )
        self._lines = said.open(encoding="utf-8")  # once the process has opened it as well
        self.kill = self._born.kill

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._born.wait(60)

    @property
    def returncode(self) -> int | None:
        return self._born.poll()

    def printed(self) -> Iterator[int]:
        """Whole lines only: a kill may cut the last one short."""
        for line in self._lines:
            if line.endswith("\n"):
                yield int(line)


Start = Callable[[str, int], Process]


@pytest.fixture
def start(path: Place, tmp_path: Path) -> Start:
    """Starts a process that writes to the store: its origin, and how many events."""
    folder = tmp_path / "processes"
    folder.mkdir()
    return lambda origin, wanted: Process(path, origin, wanted, folder)


def test_whatever_was_acknowledged_before_a_kill_9_is_in_the_chain(
    path: Place, start: Start
) -> None:
    moments = random.Random(20080915)
    acknowledged: set[int] = set()
    for number in range(next(lives for kind, lives in ROUNDS.items() if isinstance(path, kind))):
        process = start(f"life {number}", ENDLESS)
        seqs = process.printed()
        with process:
            for _ in range(moments.randrange(1, 120)):
                acknowledged.add(next(seqs))
            process.kill()
            acknowledged.update(seqs)
        found = verify_database(path)
        assert found.problems == ()
        assert found.events >= max(acknowledged)
    assert found.head.size == found.events
    stored = {event.seq for event in events(path, limit=found.events + 1)}
    assert stored == set(range(1, found.events + 1))
    assert acknowledged <= stored


@pytest.mark.parametrize("each", [120])
def test_processes_that_write_at_once_make_one_chain(path: Place, start: Start, each: int) -> None:
    processes = [start(f"writer {number}", each) for number in range(3)]
    seqs = []
    for process in processes:
        with process:
            seqs.append(list(process.printed()))
        assert process.returncode == 0
    found = verify_database(path)
    assert (found.problems, found.events) == ((), 3 * each)
    assert sorted(seq for one in seqs for seq in one) == list(range(1, 3 * each + 1))
    assert all(one == sorted(one) for one in seqs)
    stored = events(path, limit=3 * each)
    for number, one in enumerate(seqs):
        assert [e.seq for e in stored if e.origin == f"writer {number}"] == one


def test_a_killed_process_does_not_keep_the_others_waiting(path: Place, start: Start) -> None:
    killed = start("killed", ENDLESS)
    with killed:
        next(killed.printed())
        survivor = start("survivor", 300)
        with survivor:
            lines = survivor.printed()
            next(lines)
            killed.kill()
            rest = list(lines)
        assert survivor.returncode == 0
        assert len(rest) == 299
    assert verify_database(path).ok
