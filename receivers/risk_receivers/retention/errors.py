"""Why nothing is deleted."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class RetentionError(ReceiversError):
    """Base of them all. Nothing was deleted that was not announced."""


class ClockDoubtedError(RetentionError):
    """What the clock shows does not follow from what is on record; nothing is deleted by it."""


class ChangedMeanwhileError(RetentionError):
    """Somebody placed a hold, or applied retention, in between. Look again."""


class HoldError(RetentionError):
    """A hold cannot be placed or released; the message says why."""
