"""Real processes: killed at any moment, and writing at the same time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import as_code, in_every_backend

from risk_receivers.audit.query import events
from risk_receivers.audit.verify import verify_database
from risk_receivers.database.place import Place, Segmented, Server

#: Prints a seq once its future has resolved, keeping several works in flight.
WRITE = """
import sys
from collections import deque
from pathlib import Path
from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Segmented, Server
from risk_receivers.store.writer import Writer

path, origin, wanted = eval(sys.argv[1]), sys.argv[2], int(sys.argv[3])
writer = Writer(path, origin=origin, retention=AuditRetention(), batch=8, queue_depth=100)
writer.start()
flying = deque()
for number in range(wanted):
    event = AuditEvent(EventType.ALERT_CREATED, f"{origin} {number}")
    flying.append(writer.submit(lambda transaction, event=event: transaction.append(event)))
    if len(flying) >= 20:
        print(flying.popleft().result(30), flush=True)
for future in flying:
    print(future.result(30), flush=True)
writer.stop()
"""
#: Lives of a store: where a crash is met by files of our own, and elsewhere.
ROUNDS = {Path: 8, Segmented: 8, Server: 3}
ENDLESS = 1_000_000
pytestmark = in_every_backend("path")


def start(path: Place, origin: str, wanted: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, as_code(path), origin, str(wanted)],
        stdout=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> Iterator[int]:
    """Whole lines only: a kill may cut the last one short."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield int(line)


def test_whatever_was_acknowledged_before_a_kill_9_is_in_the_chain(path: Place) -> None:
    moments = random.Random(20080915)
    acknowledged: set[int] = set()
    for number in range(next(lives for kind, lives in ROUNDS.items() if isinstance(path, kind))):
        process = start(path, f"life {number}", ENDLESS)
        seqs = printed(process)
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
def test_processes_that_write_at_once_make_one_chain(path: Place, each: int) -> None:
    processes = [start(path, f"writer {number}", each) for number in range(3)]
    seqs = []
    for process in processes:
        with process:
            seqs.append(list(printed(process)))
        assert process.returncode == 0
    found = verify_database(path)
    assert (found.problems, found.events) == ((), 3 * each)
    assert sorted(seq for one in seqs for seq in one) == list(range(1, 3 * each + 1))
    assert all(one == sorted(one) for one in seqs)
    stored = events(path, limit=3 * each)
    for number, one in enumerate(seqs):
        assert [e.seq for e in stored if e.origin == f"writer {number}"] == one


def test_a_killed_process_does_not_keep_the_others_waiting(path: Place) -> None:
    killed = start(path, "killed", ENDLESS)
    with killed:
        next(printed(killed))
        survivor = start(path, "survivor", 300)
        with survivor:
            lines = printed(survivor)
            next(lines)
            killed.kill()
            rest = list(lines)
        assert survivor.returncode == 0
        assert len(rest) == 299
    assert verify_database(path).ok
