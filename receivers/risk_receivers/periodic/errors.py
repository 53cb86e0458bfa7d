"""What can go wrong with a report."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class PeriodError(ReceiversError):
    """A time or a period that cannot be meant."""


class ReportError(ReceiversError):
    """A report that cannot be written; says what to do."""
