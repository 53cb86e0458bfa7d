"""Looks at the gate as a runtime does, all the time, and remembers when what it said changed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final

from risk_runtime import TradeGate
from riskwarden.drill.stage import ENTRY, REDUCTION

_LOOK_SECONDS: Final = 0.003


class GateWatch:
    """Asks about an order that adds risk, and one that reduces it."""

    def __init__(self, gate: Path) -> None:
        self._gate = TradeGate(gate)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._tripped_at: float | None = None
        self._allowed: bool | None = None
        #: When an answer about new risk changed, to what, and why.
        self.changes: list[tuple[float, bool, str]] = []
        self.trapped: list[str] = []
        self.opened_after_trip: list[str] = []
        self.looks = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def tripped(self) -> None:
        """From now on nothing that adds risk may pass."""
        self._tripped_at = time.monotonic()

    def closed_since(self, moment: float) -> list[str]:
        """Why it closed since then, each time that it did."""
        return [why for at, allowed, why in list(self.changes) if not allowed and at > moment]

    @property
    def closed_seconds(self) -> float:
        """For how long it has refused new risk without a break."""
        at, allowed, _ = self.changes[-1]
        return 0.0 if allowed else time.monotonic() - at

    def see(self, *, allowed: bool, reason: str) -> None:
        """What was answered about new risk."""
        self.looks += 1
        if allowed and self._tripped_at is not None:
            self.opened_after_trip.append(reason)
        if allowed is not self._allowed:
            self._allowed = allowed
            self.changes.append((time.monotonic(), allowed, reason))

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            asked_after_trip = self._tripped_at is not None
            entry = self._gate.check(ENTRY)
            if asked_after_trip or self._tripped_at is None:  # what was asked before says nothing
                self.see(allowed=entry.allowed, reason=entry.reason)
            if not entry.allowed and not self._gate.check(REDUCTION).allowed:
                self.trapped.append(entry.reason)
