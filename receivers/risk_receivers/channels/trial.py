"""A message that shows whether a channel works, and cannot be taken for news."""

from __future__ import annotations

from datetime import datetime

from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message


def trial(channel: str, author: str, at: datetime, audit_seq: int) -> Message:
    """What somebody has sent through a channel to see whether it arrives."""
    return Message(
        subject=f"test:{channel}:{audit_seq}",
        kind=Kind.TEST,
        severity=Severity.INFO,
        title=f"THIS IS A TEST of channel {channel}",
        text=f"{author} tries out whether messages arrive here. Nothing has happened, and nobody "
        "has to do anything.",
        at=at,
        audit_seq=audit_seq,
    )
