"""Messages for tests of channels, and the plain words that stand in for templates."""

from __future__ import annotations

from datetime import UTC, datetime

from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message, Owed
from risk_receivers.channels.rendered import Render, Rendered

NOON = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def owed(
    number: int = 7,
    text: str = "drawdown is 12 %",
    *,
    severity: Severity = Severity.WARNING,
    kind: Kind = Kind.FIRING,
) -> Owed:
    message = Message(
        subject="drawdown/main:warning:1",
        kind=kind,
        severity=severity,
        title="DRAWDOWN_WARNING",
        text=text,
        at=NOON,
        audit_seq=3,
        risk_id="drawdown/main",
        starts_at=NOON,
        runbook_url="http://127.0.0.1/runbooks/DRAWDOWN_WARNING",
    )
    return Owed(f"m{number}", message, "3:abcdef")


def saying(text: str, subject: str = "WARNING Drawdown") -> Render:
    """Renders every message as the same."""
    return lambda _: Rendered(subject, text)


def as_told(owed: Owed) -> Rendered:
    """Renders a message as what it says."""
    return Rendered(
        f"{owed.message.severity.value.upper()} {owed.message.title}", owed.message.text
    )
