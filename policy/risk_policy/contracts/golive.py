"""How the go-live checklist ends: of each line, and as a whole.

Invariant: what is not known is never counted as passed, and what was skipped is always told.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

#: Far more than the list has; a record has to stay a record.
MOST_LINES: Final = 100


class Outcome(StrEnum):
    """How one line ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_KNOWN = "not known"
    SKIPPED = "skipped"


class GoLiveResult(StrEnum):
    """What all lines amount to."""

    READY = "ready"
    READY_BUT_FOR_SKIPPED = "ready but for what was skipped"
    NOT_READY = "not ready"

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> GoLiveResult:
        """Ready only if every line passed; no lines at all are nothing to rely upon."""
        seen = set(outcomes)
        if not seen - {Outcome.SKIPPED} or seen & {Outcome.FAILED, Outcome.NOT_KNOWN}:
            return cls.NOT_READY
        return cls.READY_BUT_FOR_SKIPPED if Outcome.SKIPPED in seen else cls.READY
