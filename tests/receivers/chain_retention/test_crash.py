"""kill -9 at any moment of a deletion: nothing is gone unannounced, and the next one finishes."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pruning_process
import pytest
from chain_archive import BEGIN, DAY, Archive

from risk_policy.contracts.audit import EventType

COUNT = 500


def killed_after(archive: Archive, steps: int) -> bool:
    """Delete in a process of its own, killed after some steps; whether it was done before."""
    process = subprocess.Popen(
        [sys.executable, pruning_process.__file__, archive.path, archive.now.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    done = False
    for _ in range(steps):
        done = process.stdout.readline().strip() == "done"
        if done:
            break
        process.stdin.write("\n")
        process.stdin.flush()
    process.kill()  # somewhere in the next step
    process.communicate()
    return done


def test_a_deletion_that_is_killed_again_and_again_is_finished_and_verifies(
    archive: Archive,
) -> None:
    archive.add(count=COUNT)
    archive.days_pass(91)
    archive.writer.stop()  # it would note heads of its own in between
    gone = 0
    for steps in (1, 2, 2):
        assert not killed_after(archive, steps)
        found = archive.verify()
        assert found.problems == ()
        assert gone < found.deleted < COUNT
        gone = found.deleted
    assert killed_after(archive, 1000)
    found = archive.verify()
    assert (found.problems, found.deleted) == ((), COUNT)
    assert len(archive.of_type(EventType.RETENTION_APPLIED)) == 1, "announced once, then gone on"


@pytest.mark.parametrize("most_bytes", [40_000, 150_000])
def test_a_disk_that_takes_no_more_loses_nothing(archive: Archive, most_bytes: int) -> None:
    archive.add(count=COUNT)
    archive.days_pass(91)
    archive.writer.stop()
    full = subprocess.run(
        [sys.executable, pruning_process.__file__, archive.path, archive.now.isoformat()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )
    assert full.returncode != 0
    found = archive.verify()
    assert found.problems == ()
    assert found.deleted < COUNT
    assert killed_after(archive, 1000)
    found = archive.verify()
    assert (found.problems, found.deleted) == ((), COUNT)


@pytest.mark.parametrize("archive", ["sqlite", "postgresql"], indirect=True)
def test_what_was_announced_and_not_done_is_done_by_the_next_one(archive: Archive) -> None:
    archive.add(count=COUNT)
    archive.days_pass(91)
    assert archive.prune_steps(1) == 50
    assert archive.problems() == []
    archive.days_pass(1)
    assert archive.prune() == COUNT - 50
    assert len(archive.of_type(EventType.RETENTION_APPLIED)) == 1
    assert archive.problems() == []


def test_who_writes_meanwhile_is_not_held_up_and_loses_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "audit.db")
    archive.add(count=COUNT)
    archive.now = BEGIN + 92 * DAY
    archive.add()
    slowest = 0.0
    written = 0
    other = Archive(tmp_path / "audit.db", begin=archive.now)
    stop = threading.Event()

    def write() -> None:
        nonlocal slowest, written
        while not stop.is_set():
            began = time.monotonic()
            other.add()
            slowest = max(slowest, time.monotonic() - began)
            written += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert archive.prune(seen_since=BEGIN) == COUNT
    finally:
        stop.set()
        thread.join()
        other.writer.stop()
        archive.writer.stop()
    found = archive.verify()
    assert (found.problems, found.deleted) == ((), COUNT)
    assert found.events >= COUNT + 1 + written
    assert slowest < 2.0
