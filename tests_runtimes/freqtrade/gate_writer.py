"""Publishes a gate as the receivers do, for tests that say what stands in it."""

from __future__ import annotations

from pathlib import Path

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.restriction import Restriction

_LONGEST_NS = 60_000_000_000


class GateWriter:
    """Replaces both files with every change; a lease lasts a minute."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = 0

    def open(self, *restrictions: Restriction) -> None:
        self._write(contract.now_ns() + _LONGEST_NS - 1_000_000_000, restrictions)

    def halt(self, *restrictions: Restriction) -> None:
        self._write(contract.HALT, restrictions)

    def _write(self, lease_ns: int, restrictions: tuple[Restriction, ...]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.version += 1
        contract.write_detail(
            self.directory,
            GateDetail(
                version=self.version,
                halted=lease_ns == contract.HALT,
                restrictions=restrictions,
                policy_digest="0" * 64,
                written_at=utc_now(),
            ),
        )
        staging = self.directory / ".new"
        staging.write_bytes(
            contract.encode(
                lease_ns=lease_ns,
                version=self.version,
                longest_ns=_LONGEST_NS,
                boot=contract.boot_id(),
                restrictions=len(restrictions),
            )
        )
        staging.replace(self.directory / contract.LEASE_FILE)
