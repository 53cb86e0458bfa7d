"""What can go wrong in the receivers service, beside its store."""

from __future__ import annotations


class ReceiversError(Exception):
    """Base of this service's errors."""


class StartError(ReceiversError):
    """The service cannot start; the message says what to change."""


class GateBusyError(StartError):
    """Another publisher already writes the gate."""


class LooserModeError(ReceiversError):
    """Somebody asked for a mode looser than the one the kill switch is in."""


class NotYetError(ReceiversError):
    """What this is about is on its way to the record; it is to come again."""


class SpoolError(ReceiversError):
    """A record could not be spooled."""
