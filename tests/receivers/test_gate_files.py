"""The files of a published gate: made, made again, and kept as far as a disk takes them."""

from __future__ import annotations

import fcntl
import os
import resource
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.marker import HALTED_FILE
from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind
from risk_policy.vocabulary import KillMode
from risk_receivers.gate import statement
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.lease_file import FILE_MODE, LeaseFile
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.board import KillBoard

NOW = datetime.now(UTC)


def publisher(folder: Path) -> GatePublisher:
    return GatePublisher(
        folder, lease_seconds=0.6, renew_seconds=0.05, policy_digest="", may_renew=lambda: True
    )


def in_force(folder: Path) -> int:
    data = (folder / contract.LEASE_FILE).read_bytes()
    return int.from_bytes(data[8 * contract.RESTRICTIONS_WORD :][:8], "little")


def test_a_kill_that_has_the_lock_for_a_moment_keeps_nobody_from_starting(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / contract.LOCK_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    threading.Timer(0.1, os.close, [descriptor]).start()
    with publisher(tmp_path) as gate:
        assert not gate.is_open


def test_a_lease_file_that_is_made_again_says_how_much_is_in_force(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    path = tmp_path / contract.LEASE_FILE
    held = Restriction(
        kind=RestrictionKind.BLOCK_TRADE, id="r1", cause="breach", level="critical", since=NOW
    )
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        gate.hold([held])
        gate.start()
        wait_until(lambda: gate.is_open)
        assert in_force(tmp_path) == 1
        path.unlink()
        wait_until(lambda: path.exists() and gate.is_open)
        assert in_force(tmp_path) == 1


@pytest.mark.parametrize("halted", [True, False])
def test_a_new_lease_file_is_halted_if_that_was_decided_and_tells_who_comes_next(
    tmp_path: Path, halted: bool
) -> None:
    made = LeaseFile(tmp_path, longest_ns=1, version=3, halted=halted)
    assert (made.words[contract.LEASE_WORD] == contract.HALT) is halted
    assert not made.found_halted, "a file that was none before says nothing"
    file = str(tmp_path / contract.LEASE_FILE)
    assert file in Path("/proc/self/maps").read_text()
    made.close()
    assert file not in Path("/proc/self/maps").read_text()
    after = LeaseFile(tmp_path, longest_ns=1, version=0, halted=False)
    assert (after.found_halted, after.version) == (halted, 3)
    after.close()


def test_that_it_is_halted_is_said_on_a_full_disk(tmp_path: Path) -> None:
    kill = Kill(id="kill-1", mode=KillMode.PAUSE, cause="desk", level="operator", since=NOW)
    path = tmp_path / HALTED_FILE
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        statement.state(tmp_path, kill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.exists()
    statement.state(tmp_path, kill)
    assert kill.id in path.read_text()
    statement.state(tmp_path, None)
    assert not path.exists()


def test_nobody_ever_finds_reasons_that_the_folders_group_may_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime of another user that meets them would take the gate for closed."""
    modes: list[int] = []
    replace = os.replace

    def seen(source: Path, target: Path) -> None:
        if Path(target).name == contract.DETAIL_FILE:
            modes.append(Path(source).stat().st_mode & 0o777)
        replace(source, target)

    before = os.umask(0o077)  # as the service has it
    try:
        file = DetailFile(tmp_path)
        file.prepare()
        file.files[1].chmod(0o600)  # as of one that was made this moment
        monkeypatch.setattr(os, "replace", seen)
        for version in range(len(file.files)):  # more than there are spares
            file.show(GateDetail(version=version, halted=False, policy_digest="", written_at=NOW))
    finally:
        os.umask(before)
    assert modes == [FILE_MODE] * len(file.files)
