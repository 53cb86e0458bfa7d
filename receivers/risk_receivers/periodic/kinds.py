"""The reports there are, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from risk_receivers.document.model import Document
from risk_receivers.periodic.compliance import compliance
from risk_receivers.periodic.daily import daily
from risk_receivers.periodic.sla import sla
from risk_receivers.periodic.subject import Subject
from risk_receivers.periodic.weekly import weekly


@dataclass(frozen=True, slots=True)
class Kind:
    """One report.

    Attributes:
        span: what it is about unless somebody says otherwise.
    """

    title: str
    span: timedelta
    write: Callable[[Subject], Document]


KINDS: Final = {
    "daily": Kind("Daily operations", timedelta(days=1), daily),
    "weekly": Kind("Weekly business", timedelta(days=7), weekly),
    "sla": Kind("Service levels", timedelta(days=7), sla),
    "compliance": Kind("Compliance", timedelta(days=30), compliance),
}
