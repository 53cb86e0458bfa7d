"""The two files of a gate, byte by byte, and a reader of them whose clock stands still."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from risk_policy.contracts import gate as contract
from risk_runtime import Order, Side, TradeGate

BUY = Order("AAPL", Side.BUY, 1, 100.0)
REDUCE = Order("AAPL", Side.SELL, 1, 100.0, position_quantity=5)
BOOT = bytes(range(16))
SECOND = 1_000_000_000
#: A kill as ``gate.json`` tells of it.
KILL = {
    "kind": "kill_switch",
    "mode": "immediate",
    "id": "k1",
    "cause": "DRAWDOWN_EMERGENCY",
    "level": "emergency",
    "since": "2008-10-02T00:00:00Z",
}


def lease_bytes(**changes: Any) -> bytes:
    """A file that is open at 100 s, unless changed."""
    fields = {"lease_ns": 101 * SECOND, "version": 7, "longest_ns": 3 * SECOND, "boot": BOOT}
    return contract.encode(**{**fields, **changes})


def detail_with(*restrictions: dict[str, Any], **changes: Any) -> bytes:
    """``gate.json`` of version 7, as a later version of the receivers may write it."""
    return json.dumps(
        {
            "version": 7,
            "halted": False,
            "restrictions": restrictions,
            "policy_digest": "0" * 64,
            "written_at": "2008-10-02T00:00:00Z",
            **changes,
        }
    ).encode()


def gate_at(
    directory: Path, data: bytes, seconds: float = 100.0, detail: bytes | None = None
) -> TradeGate:
    """A reader of a lease file and, unless told otherwise, of reasons that agree with any."""
    (directory / contract.LEASE_FILE).write_bytes(data)
    (directory / contract.DETAIL_FILE).write_bytes(detail or detail_with(version=2**64 - 1))
    return TradeGate(directory, boot=BOOT, clock=lambda: int(seconds * SECOND))
