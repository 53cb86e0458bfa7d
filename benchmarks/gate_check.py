"""Nanoseconds per ``TradeGate.check`` with an open gate, beside a bare attribute read.

Both are timed in the same run, in turns, and the medians and their ratio are printed.
Takes about two seconds: ``python benchmarks/gate_check.py [seconds]``.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_runtime import Order, Side, TradeGate

_BATCH = 20_000
_LEASE_NS = contract.LONGEST_SECONDS * 1_000_000_000


class _Bare:
    """The baseline: what asking could never be cheaper than."""

    allowed = True


def _nanoseconds(repeat: Callable[[int], None]) -> float:
    began = time.perf_counter_ns()
    repeat(_BATCH)
    return (time.perf_counter_ns() - began) / _BATCH


def main(seconds: float = 2.0) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / contract.LEASE_FILE).write_bytes(
            contract.encode(
                lease_ns=contract.now_ns() + _LEASE_NS,
                version=1,
                longest_ns=_LEASE_NS,
                boot=contract.boot_id(),
            )
        )
        detail = contract.GateDetail(
            version=1, halted=False, policy_digest="0" * 64, written_at=utc_now()
        )
        contract.write_detail(Path(folder), detail)
        gate, bare = TradeGate(Path(folder)), _Bare()
        order = Order("AAPL", Side.BUY, 1, 100.0)
        if not gate.check(order).allowed:
            raise SystemExit("the gate is not open, so there is nothing to measure")

        def check(times: int) -> None:
            ask = gate.check
            for _ in range(times):
                ask(order)

        def read(times: int) -> None:
            for _ in range(times):
                bare.allowed  # noqa: B018 - the read is what is timed

        def loop(times: int) -> None:
            for _ in range(times):
                pass

        checks, reads = [], []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            empty = _nanoseconds(loop)
            checks.append(_nanoseconds(check) - empty)
            reads.append(_nanoseconds(read) - empty)
    checked, bare_read = statistics.median(checks), statistics.median(reads)
    print(f"{platform.machine()}, Python {platform.python_version()}, {len(checks)} rounds")
    print(f"TradeGate.check, open   {checked:7.0f} ns   best {min(checks):.0f}")
    print(f"bare attribute read     {bare_read:7.1f} ns   best {min(reads):.1f}")
    print(f"ratio                   {checked / max(bare_read, 0.1):7.0f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
