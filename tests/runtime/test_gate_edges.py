"""The edges of the gate's reader: what it costs, what it leaves open, what it says while closed."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_files import BOOT, BUY, KILL, REDUCE, SECOND, detail_with, gate_at, lease_bytes

from risk_policy.contracts import gate as contract
from risk_policy.contracts.scope import Scope
from risk_runtime import GateState, TradeGate

MAIN = Scope(account="main")
OF_MAIN = {**KILL, "scope": {"account": "main"}}


def test_the_files_are_not_looked_at_for_every_order_unless_asked_to(gate_dir: Path) -> None:
    gate_at(gate_dir, lease_bytes())
    clock = [100 * SECOND]
    gate = TradeGate(gate_dir, boot=BOOT, clock=lambda: clock[0])
    assert gate.check(BUY).allowed
    (gate_dir / contract.LEASE_FILE).unlink()
    assert gate.check(BUY).allowed, "a look at the files would have closed it"
    clock[0] += SECOND // 10
    assert not gate.check(BUY).allowed


def test_who_waits_looks_about_once_in_a_millisecond(gate_dir: Path) -> None:
    gate_at(gate_dir, lease_bytes())
    looks = [0]

    def clock() -> int:
        looks[0] += 1
        return 100 * SECOND

    gate = TradeGate(gate_dir, boot=BOOT, clock=clock)
    looks[0] = 0
    assert not gate.wait_change(0.3)
    assert looks[0] <= 302


def test_a_file_that_is_another_each_time_leaves_none_open(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        staging = gate_dir / "next"
        staging.write_bytes(lease_bytes())
        staging.replace(gate_dir / contract.LEASE_FILE)
        assert gate.read().state is GateState.OPEN
    assert len(list(Path("/proc/self/fd").iterdir())) < opened + 20


def test_a_closed_gate_is_closed_for_all_and_does_not_say_what_holds_some(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(lease_ns=98 * SECOND), detail=detail_with(OF_MAIN))
    reading = gate.read()
    assert [one.id for one in reading.kills] == ["k1"]
    assert reading.reason.startswith("the risk layer gave no sign of life")


@pytest.mark.parametrize("lease", [contract.HALT, 98 * SECOND])
def test_a_closed_gate_whose_version_has_moved_on_still_says_what_was_in_force(
    gate_dir: Path, lease: int
) -> None:
    data = lease_bytes(lease_ns=lease, version=8)
    gate = gate_at(gate_dir, data, detail=detail_with(KILL, halted=True, version=7))
    directive = gate.directive(MAIN)
    assert directive is not None
    assert directive.id == "k1"


def test_a_closed_gate_reads_what_is_in_force_again_when_the_version_moves(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(lease_ns=98 * SECOND), detail=detail_with())
    assert gate.directive(MAIN) is None
    (gate_dir / contract.DETAIL_FILE).write_bytes(detail_with(OF_MAIN, version=8))
    with (gate_dir / contract.LEASE_FILE).open("r+b") as file:
        file.write(lease_bytes(lease_ns=98 * SECOND, version=8))
    assert gate.directive(MAIN) is not None


@pytest.mark.parametrize("said", [None, b"", b"no id", b"\xff"])
def test_a_machine_that_does_not_say_when_it_started_keeps_the_gate_closed(
    gate_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes | None
) -> None:
    path = tmp_path / "boot_id"
    if said is not None:
        path.write_bytes(said)
    monkeypatch.setattr(contract, "_BOOT_ID", path)
    gate_at(gate_dir, lease_bytes())
    gate = TradeGate(gate_dir, clock=lambda: 100 * SECOND)
    assert gate.check(BUY).state is GateState.UNTRUSTED
    assert gate.check(REDUCE).allowed
