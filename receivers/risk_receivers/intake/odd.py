"""What is odd about one body: some pieces of it, and the whole.

However much that is, it costs little: the first pieces are kept one by one, the others are a
number in what is said about the body, which is one piece of evidence itself.
"""

from __future__ import annotations

import re
from typing import Final

from risk_policy.vocabulary import Action
from risk_receivers.intake.alert import Malformed

#: More of them are a broken sender, not broken alerts.
MOST_KEPT: Final = 20
#: What no one has to be told of at once.
_IDLE: Final = (Action.LOG, Action.NOTIFY, Action.REVIEW)
_ASKING: Final = re.compile(
    "|".join(action.value for action in Action if action not in _IDLE).encode()
)


def unreadable(reason: str, raw: bytes) -> Malformed:
    """A piece of which nobody can tell what it says; one that names an action may ask for it."""
    return Malformed(reason, raw, asks=_ASKING.search(raw) is not None, varies=True)


class Odd:
    """Collects it.

    Attributes:
        more: how many pieces stand for themselves in the body alone.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._complaints: list[str] = []
        self._kept: list[Malformed] = []
        self._kept_asking = 0
        self._more_ask = False
        self._unreadable = False
        self.more = 0

    def complain(self, reason: str, *, unreadable: bool = False) -> None:
        """About the body itself; one that is ``unreadable`` may hold anything."""
        self._complaints.append(reason)
        self._unreadable = self._unreadable or unreadable

    def add(self, piece: Malformed) -> None:
        """A piece that cannot be read, or of which people have to know."""
        # What asks for an action is not crowded out by what says nothing at all.
        kept = self._kept_asking if piece.asks else len(self._kept) - self._kept_asking
        if kept < MOST_KEPT:
            self._kept.append(piece)
            self._kept_asking += piece.asks
        else:
            self.more += 1
            self._more_ask = self._more_ask or piece.asks

    def malformed(self) -> tuple[Malformed, ...]:
        """All of it, the body in one piece and first."""
        reasons = list(self._complaints)
        if self.more:
            asking = ", some of which ask for an action" if self._more_ask else ""
            kept = len(self._kept)
            # First, for a reason is cut short where it is stored.
            reasons.insert(
                0, f"{self.more} more malformed pieces{asking}, beside {kept} kept apart"
            )
        if not reasons:
            return tuple(self._kept)
        asks = self._more_ask
        if self._unreadable and not self._kept_asking:  # else it is told of the piece
            asks = asks or _ASKING.search(self._body) is not None
        whole = Malformed("; ".join(reasons), self._body, asks, varies=True)
        return (whole, *self._kept)
