"""Which locks the bot should have, as a pure decision over those that it has.

Only locks of our own are ever taken away: those whose reason begins with our name. A lock ends far
ahead, not soon: one that has to be renewed would let entries resume when the sidecar dies. So a
gate that was closed stays closed for the bot until somebody who read it open takes the lock away.

What holds a part of the gate locks the pairs that it may cover. A lock knows all or nothing: where
orders may only be smaller, a bot whose strategy is not guarded gets a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_runtime.adapters.freqtrade.bot import Lock
from risk_runtime.adapters.freqtrade.snapshot import SECTOR, symbol_of
from risk_runtime.gate_reading import GateReading, GateState

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


def wanted_locks(
    reading: GateReading, bot: Scope, pairs: Iterable[str], *, is_guarded: bool
) -> dict[str, str]:
    """Which pairs the gate keeps the bot from entering, and why.

    Args:
        bot: account, strategy and venue, as far as they are known.
        pairs: those that the bot may enter.
        is_guarded: whether the strategy itself makes orders smaller where the gate says so.
    """
    if reading.state is not GateState.OPEN:
        return {ALL_PAIRS: reading.reason}
    wanted: dict[str, str] = {}
    for one in reading.restrictions:
        if one.kind is RestrictionKind.REDUCE_SIZE and is_guarded:
            continue
        for pair in _covered(one, bot, pairs):
            wanted.setdefault(pair, str(one))
    return {ALL_PAIRS: wanted[ALL_PAIRS]} if ALL_PAIRS in wanted else wanted


def subject_of(bot: Scope, pair: str) -> Scope:
    """What an order of this pair belongs to, as the snapshots call it."""
    base = pair.partition("/")[0]
    return bot.model_copy(update={"symbol": symbol_of(pair), "asset": base, "sector": SECTOR})


def _covered(restriction: Restriction, bot: Scope, pairs: Iterable[str]) -> Iterable[str]:
    scope = restriction.scope
    if not (scope.symbol or scope.asset or scope.sector):
        return (ALL_PAIRS,) if scope.may_cover(bot) else ()
    return [pair for pair in pairs if scope.may_cover(subject_of(bot, pair))]


def change_of(existing: Iterable[Lock], wanted: Mapping[str, str]) -> LockChange:
    """What leads from the locks that there are to those that are wanted."""
    own = [lock for lock in existing if (lock.reason or "").startswith(OWN)]
    lasting = {
        lock.pair
        for lock in own
        if lock.side == _BOTH_SIDES and lock.lock_end_timestamp >= FAR_AHEAD.timestamp() * 1000
    }
    return LockChange(
        add=tuple(sorted(wanted.keys() - lasting)),
        delete=tuple(lock.id for lock in own if lock.pair not in wanted),
    )


def reason_text(why: str) -> str:
    """What the lock says of itself in the bot's user interface."""
    return f"{OWN}: {why}"[:_LONGEST_REASON]
