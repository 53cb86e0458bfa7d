"""The gate between processes: no torn reads, and closed when the writer is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from risk_policy.contracts import gate as contract
from risk_runtime import GateState, Order, Side, TradeGate

BUY = Order("AAPL", Side.BUY, 1, 100.0)

_MAP = """
import mmap, pathlib, sys, time
from risk_policy.contracts import gate as c
from risk_policy.clock import utc_now
folder = pathlib.Path(sys.argv[1])
c.write_detail(
    folder, c.GateDetail(version=1, halted=False, policy_digest="0" * 64, written_at=utc_now())
)
path = folder / c.LEASE_FILE
longest = int(sys.argv[2])
path.write_bytes(c.encode(lease_ns=0, version=1, longest_ns=longest, boot=c.boot_id()))
with path.open("r+b") as stream:
    words = memoryview(mmap.mmap(stream.fileno(), c.SIZE)).cast("Q")
print("ready", flush=True)
"""

#: Goes round a lease, HALT, and two values whose halves give a fifth one if they are mixed up.
_TOGGLE = (
    _MAP
    + """
while True:
    words[0] = c.now_ns() + longest // 2
    words[0] = 0
    words[0] = 0xFFFF_FFFF
    words[0] = 0xFFFF_FFFF_0000_0000
"""
)
_RENEW = (
    _MAP
    + """
while True:
    words[0] = c.now_ns() + longest
    time.sleep(longest / 1e9 / 6)
"""
)


@pytest.fixture
def start_writer(gate_dir: Path) -> Iterator[Callable[[str, int], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(code: str, longest_ns: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(gate_dir), str(longest_ns)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_reader_never_sees_a_torn_lease_while_another_process_toggles_it(
    gate: TradeGate, gate_dir: Path, start_writer: Callable[[str, int], subprocess.Popen[str]]
) -> None:
    start_writer(_TOGGLE, 1_000_000_000)
    gate.check(BUY)
    words = gate._mapped[0]
    whole = {0, 0xFFFF_FFFF, 0xFFFF_FFFF_0000_0000}
    seen, leases = set(), 0
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for _ in range(1000):
            value = words[0]
            if value in whole:
                seen.add(value)
            else:
                ahead = value - contract.now_ns()
                assert -1_000_000_000 < ahead <= 500_000_000, f"torn: {value:#x}"
                leases += 1
    assert seen == whole
    assert leases > 0


def test_decisions_follow_a_toggling_writer_both_ways(
    gate: TradeGate, start_writer: Callable[[str, int], subprocess.Popen[str]]
) -> None:
    start_writer(_TOGGLE, 1_000_000_000)
    states: set[GateState] = set()
    deadline = time.monotonic() + 5
    while not states >= {GateState.OPEN, GateState.HALTED} and time.monotonic() < deadline:
        states.add(gate.check(BUY).state)
    assert states >= {GateState.OPEN, GateState.HALTED}
    assert states <= {GateState.OPEN, GateState.HALTED, GateState.STALE, GateState.IMPLAUSIBLE}


def test_the_gate_closes_within_its_lease_when_the_writer_is_killed(
    gate: TradeGate,
    start_writer: Callable[[str, int], subprocess.Popen[str]],
    eventually: Callable[..., None],
) -> None:
    lease_seconds = 0.3
    process = start_writer(_RENEW, int(lease_seconds * 1e9))
    eventually(lambda: gate.check(BUY).allowed)
    os.kill(process.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    process.wait()
    eventually(lambda: not gate.check(BUY).allowed, seconds=2.0)
    assert time.monotonic() - killed_at < lease_seconds + 0.5
    assert gate.check(BUY).state is GateState.STALE
    assert "no sign of life" in gate.check(BUY).reason
