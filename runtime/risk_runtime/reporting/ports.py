"""What the runtime needs of the exporter and of the reporter, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from risk_policy.contracts.reports import Report
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.pretrade import PreTradeLimit


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

    def count_blocked(self, account: str, limit: str, by: int = 1) -> None:
        """Count orders that were refused; by 0, that they are counted from now on."""

    def seed_closes(self, account: str, closes: dict[str, dict[str, float]]) -> None:
        """Give daily closes by symbol and ISO date, the history of value at risk."""


class ReportSink(Protocol):
    """What the runtime needs of the reporter."""

    def submit(self, reports: Sequence[Report]) -> None:
        """Take reports in; never raises, never waits for a network."""


def count_from_zero(observer: Observer, account: str) -> None:
    """Have refused orders counted before there are any: the first one is to be seen, too."""
    for limit in ("gate", *(one.value for one in PreTradeLimit)):
        observer.count_blocked(account, limit, by=0)
