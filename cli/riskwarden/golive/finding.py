"""How a line of the go-live checklist ends: the outcome, what was seen, and what to do next.

Invariant: what could not be seen is not known, which never counts as passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.golive import Outcome

#: More than this is counted and not listed.
_MOST_LISTED: Final = 6


class NotKnownError(Exception):
    """What a line needs could not be had."""

    def __init__(self, seen: str, to_do: str) -> None:
        self.seen = seen
        self.to_do = to_do
        super().__init__(seen)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a line.

    Attributes:
        seen: what it rests on.
        to_do: what to do next; empty if it passed.
    """

    outcome: Outcome
    seen: str
    to_do: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the checklist, done.

    Attributes:
        because: why it was skipped, or who vouches for it.
    """

    name: str
    group: str
    title: str
    finding: Finding
    because: str = ""

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.finding.outcome


def passed(seen: str) -> Finding:
    """It is as it should be."""
    return Finding(Outcome.PASSED, seen)


def failed(seen: str, to_do: str) -> Finding:
    """It is not."""
    return Finding(Outcome.FAILED, seen, to_do)


def not_known(seen: str, to_do: str) -> Finding:
    """Nobody can tell."""
    return Finding(Outcome.NOT_KNOWN, seen, to_do)


def listed(names: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
