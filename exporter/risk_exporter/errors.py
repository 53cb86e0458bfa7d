"""What can go wrong in the exporter, in words that say what would be right."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Refusal(StrEnum):
    """Why a snapshot was not taken in."""

    TAKEN_AT_BACKWARDS = "taken_at_backwards"
    MARKET_TIME_BACKWARDS = "market_time_backwards"
    FROM_THE_FUTURE = "from_the_future"
    CURRENCY_CHANGED = "currency_changed"
    OVERFLOW = "overflow"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"  # polled, and no usable answer came


class ExporterError(Exception):
    """Base of every error of this package."""


class SnapshotRefusedError(ExporterError):
    """A well-formed snapshot that must not change what is known. Nothing was changed.

    Attributes:
        reason: why.
        path: the field that gave the reason.
    """

    def __init__(self, reason: Refusal, path: str, message: str) -> None:
        self.reason = reason
        self.path = path
        super().__init__(message)


class ResetRefusedError(ExporterError):
    """A high-water mark that is not reset; the message says why. Nothing was changed."""


class UnknownAccountError(ResetRefusedError):
    """There is no such account."""


class HistoryError(ExporterError):
    """Daily closes that cannot be used."""


class ClosesFileError(HistoryError):
    """A file of daily closes that cannot be used, with the place that is wrong."""

    def __init__(self, path: Path, line: int, column: str, message: str) -> None:
        place = str(path)
        if line:
            place += f", line {line}"
        if column:
            place += f", column {column}"
        super().__init__(f"{place}: {message}")


class StateError(ExporterError):
    """What is remembered of an account cannot be read, so its peak is not known."""


class StateBusyError(StateError):
    """Another exporter already keeps its memory in the same folder."""


class StartError(ExporterError):
    """The HTTP edge cannot start."""
