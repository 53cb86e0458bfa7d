"""Messages owed by channels that are enabled no more: nobody delivers those unless they are moved.

What is still within its time goes to the next of the fallbacks, as the policy has them for the
channel that is off. All else becomes a dead letter, which people are told of and can look at: news
from yesterday would only pass for news of today.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from risk_policy import Policy
from risk_receivers.channels import enabled_channels, fallbacks
from risk_receivers.channels.failover import Fallbacks, give_up
from risk_receivers.channels.outbox import Letter, owed_by_others
from risk_receivers.schema import from_text
from risk_receivers.store.writer import Transaction, Writer

#: In one transaction: a few of them take no longer than a second, however many there are.
_AT_ONCE: Final = 500
_PATIENCE_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class Moved(msgspec.Struct, frozen=True):
    """What became of one message; ``taker`` is empty if nobody has it now."""

    letter: Letter
    reason: str
    taker: str


def move_orphans(policy: Policy, writer: Writer) -> Iterator[Moved]:
    """Move every message whose channel is off, and say so in the log. Raises StoreError."""
    channels = policy.alerting.channels
    deadlines = {name: getattr(channels, name).deadline_seconds for name in channels.names()}
    work = partial(_move, enabled=enabled_channels(policy), takers=fallbacks(policy), of=deadlines)
    while moved := writer.run(work, _PATIENCE_SECONDS):
        for one in moved:
            _log.error(
                "channel %s: message %d, %s of %s: %s; %s",
                *(one.letter.channel, one.letter.number, one.letter.kind, one.letter.subject),
                one.reason,
                f"{one.taker} takes over" if one.taker else "it is among the dead letters",
            )
            yield one


def _move(
    transaction: Transaction,
    *,
    enabled: Collection[str],
    takers: Fallbacks,
    of: Mapping[str, float],
) -> list[Moved]:
    moved: list[Moved] = []
    for letter in owed_by_others(transaction.connection, enabled, _AT_ONCE):
        reason = f"channel {letter.channel} is not enabled any more"
        in_time = _in_time(letter, of.get(letter.channel, 0.0), transaction.now)
        if not in_time:
            reason += ", and it was due too long ago for another one"
        taker = give_up(transaction, takers if in_time else {}, letter.number, reason)
        moved.append(Moved(letter, reason, taker or ""))
    return moved


def _in_time(letter: Letter, deadline_seconds: float, now: datetime) -> bool:
    try:
        due_at = from_text(letter.due_at)
    except ValueError:  # what it says may be nonsense as well, and is for somebody to look at
        return False
    return now <= due_at + timedelta(seconds=deadline_seconds)
