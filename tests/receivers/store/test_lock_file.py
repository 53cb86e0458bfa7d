"""The lock is handed on in order, and nobody waits for a holder that never lets go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from risk_receivers.store.errors import StoreBusyError
from risk_receivers.store.lock_file import LockFile

HOLD = """
import fcntl, sys
stream = open(sys.argv[1], "ab")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stopped_holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that took the database's lock and was stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        os.kill(process.pid, signal.SIGSTOP)
        yield process
        process.kill()


def test_a_stopped_holder_is_not_waited_for_without_end(
    path: Path, stopped_holder: subprocess.Popen[str]
) -> None:
    lock = LockFile(path.with_name(f"{path.name}.lock"))
    try:
        for _ in range(3):
            began = time.monotonic()
            said = pytest.raises(StoreBusyError, match=r"held the lock for more than 0.1 s")
            with said, lock.held(0.1):
                pass
            assert 0.1 <= time.monotonic() - began < 2
        assert sum(thread.name == "lock-file" for thread in threading.enumerate()) == 1
        threading.Timer(0.2, stopped_holder.kill).start()
        with lock.held(10):
            pass
    finally:
        lock.close()


def test_who_gave_up_does_not_keep_the_lock_when_it_is_granted_late(path: Path) -> None:
    path.parent.mkdir(parents=True)
    first, late, third = LockFile(path), LockFile(path), LockFile(path)
    try:
        with first.held(1), pytest.raises(StoreBusyError), late.held(0.05):
            pass
        with third.held(5):
            pass
        with late.held(5):
            pass
    finally:
        for lock in (first, late, third):
            lock.close()


def test_a_lock_that_is_closed_while_it_waits_lets_go(path: Path) -> None:
    path.parent.mkdir(parents=True)
    first, closed = LockFile(path), LockFile(path)
    with first.held(1):
        with pytest.raises(StoreBusyError), closed.held(0.05):
            pass
        closed.close()
    with first.held(5):
        pass
    first.close()


def test_only_one_at_a_time_holds_it(path: Path) -> None:
    path.parent.mkdir(parents=True)
    inside: list[int] = []
    most: list[int] = []

    def take_turns(number: int) -> None:
        lock = LockFile(path)
        for _ in range(50):
            with lock.held(20):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
        lock.close()

    threads = [threading.Thread(target=take_turns, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 200
    assert set(most) == {1}


def test_a_writer_refuses_what_it_cannot_record_in_time_and_goes_on_afterwards(
    make_writer: Callable[..., Any],
    alert: Callable[[str], Any],
    path: Path,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    writer = make_writer(busy_timeout_seconds=0.2)
    writer.start()
    holder = request.getfixturevalue("stopped_holder")
    with pytest.raises(StoreBusyError, match="another process has held the lock"):
        writer.run(alert("refused"), 10)
    assert writer.takes_work
    assert "another process has held the lock" in caplog.text
    holder.kill()
    holder.wait()
    assert writer.run(alert("taken"), 10) == 1, "what was refused left no trace"
