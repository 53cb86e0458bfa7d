"""Which locks the bot should have, as a pure decision over those that it has.

Only locks of our own are ever taken away: those whose reason begins with our name. A lock ends far
ahead, not soon: one that has to be renewed would let entries resume when the sidecar dies. So a
gate that was closed stays closed for the bot until somebody who read it open takes the lock away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from risk_runtime.adapters.freqtrade.bot import Lock

#: freqtrade's name for every pair there is.
ALL_PAIRS: Final = "*"
OWN: Final = "riskwarden"
#: As good as for ever, and one instant: the same lock asked for twice is one lock to freqtrade.
FAR_AHEAD: Final = datetime(2099, 1, 1, tzinfo=UTC)
_BOTH_SIDES: Final = "*"
#: A reason takes this much in the bot's database, our name included.
_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class LockChange:
    """What to do to the bot's locks. Adding comes first: in doubt there is a lock too many."""

    add: tuple[str, ...]
    delete: tuple[int, ...]


def change_of(existing: Iterable[Lock], wanted: frozenset[str]) -> LockChange:
    """What leads from the locks that there are to those that are wanted."""
    own = [lock for lock in existing if (lock.reason or "").startswith(OWN)]
    lasting = {
        lock.pair
        for lock in own
        if lock.side == _BOTH_SIDES and lock.lock_end_timestamp >= FAR_AHEAD.timestamp() * 1000
    }
    return LockChange(
        add=tuple(sorted(wanted - lasting)),
        delete=tuple(lock.id for lock in own if lock.pair not in wanted),
    )


def reason_text(why: str) -> str:
    """What the lock says of itself in the bot's user interface."""
    return f"{OWN}: {why}"[:_LONGEST_REASON]
