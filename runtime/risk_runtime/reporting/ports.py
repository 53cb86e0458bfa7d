"""What the runtime needs of the exporter and of the reporter, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from risk_policy.contracts.reports import Report
from risk_policy.contracts.snapshot import Snapshot


class Figures(Protocol):
    """What the runtime shows of the exporter's figures."""

    @property
    def equity_peak(self) -> float: ...
    @property
    def drawdown_ratio(self) -> float: ...
    @property
    def daily_pnl_ratio(self) -> float: ...
    @property
    def exposure_gross_ratio(self) -> float: ...


class Observer(Protocol):
    """What the runtime needs of the exporter."""

    def observe(self, snapshot: Snapshot) -> Figures:
        """Take a snapshot in and measure it."""

    def count_blocked(self, account: str, limit: str) -> None:
        """Count an order that was refused."""

    def seed_closes(self, account: str, closes: dict[str, dict[str, float]]) -> None:
        """Give daily closes by symbol and ISO date, the history of value at risk."""


class ReportSink(Protocol):
    """What the runtime needs of the reporter."""

    def submit(self, reports: Sequence[Report]) -> None:
        """Take reports in; never raises, never waits for a network."""
