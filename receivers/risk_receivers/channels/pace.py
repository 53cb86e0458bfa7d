"""Which message of a channel is tried next, and when. No I/O: values and a clock in, turns out.

Invariants:

- One message that fails holds up no other but those about the same subject, which come after it.
- Two that fail with nothing confirmed in between are the channel's fault: it is left alone for a
  while, and so is one that asks for it. After that two are tried, those that failed least first, so
  that no few of them can keep it from being found out that the channel is back.
- Otherwise emergencies go first, with what was said before about the same; then the oldest, those
  that have failed after all others.
- What is new is tried even in a pause, unless the other side has asked for that.
- Pauses double up to a bound and are spread, so that what failed together does not come back
  together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from risk_receivers.channels.outbox import Waiting

# The pace of retries is not policy: it changes nothing about who is told what.
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 30.0
#: One message may be at fault, and two that have nothing in common but the channel hardly are.
_ENOUGH: Final = 2


@dataclass(slots=True)
class _Failing:
    tries: int = 0
    not_before: float = 0.0
    confirmed_before: int = 0


def spread(pause: float) -> float:
    """Half of a pause for certain, and any part of the other half."""
    return pause * random.uniform(0.5, 1.0)


class Pace:
    """The turns of one channel's messages."""

    def __init__(self, spread: Callable[[float], float] = spread) -> None:
        self._spread = spread
        self._failing: dict[int, _Failing] = {}
        self._suspects: set[int] = set()
        self._pauses = 0
        self._paused_until = 0.0
        self._asked_until = 0.0
        self._knocked = False
        self._confirmed = 0

    def turns(self, waiting: Sequence[Waiting], now: float) -> list[Waiting]:
        """What to try now, of all that is owed, oldest first; nothing during a pause."""
        numbers = {one.number for one in waiting}
        for number in self._failing.keys() - numbers:  # delivered or taken over meanwhile
            self.gone(number)
        if now < self._asked_until:
            return []
        if now < self._paused_until:
            new = self._new(waiting) if self._knocked else []
            self._knocked = False
            return new[:1]
        due: list[Waiting] = []
        held: set[str] = set()
        for one in waiting:
            if one.subject in held:
                continue
            failing = self._failing.get(one.number)
            if failing is None or failing.not_before <= now:
                due.append(one)
            if failing is not None:
                held.add(one.subject)
        if self._pauses:
            due.sort(key=lambda one: (self.tries(one.number), not one.urgent))
            return due[:_ENOUGH]
        due.sort(key=lambda one: (not one.urgent, self.tries(one.number)))
        return due

    def knocked(self) -> None:
        """Something new may be there: it need not wait for a pause that nobody has asked for."""
        self._knocked = True

    def delivered(self, number: int) -> None:
        """The channel has confirmed a message."""
        self._confirmed += 1
        self._suspects.clear()
        self._pauses = 0
        self._paused_until = self._asked_until = 0.0
        self.gone(number)

    def proven(self) -> None:
        """Somebody has shown that the channel works: nothing waits any longer to be tried."""
        self._suspects.clear()
        self._pauses = 0
        self._paused_until = self._asked_until = 0.0
        for failing in self._failing.values():
            failing.not_before = 0.0

    def gone(self, number: int) -> None:
        """A message is not owed any more."""
        self._failing.pop(number, None)

    def failed(self, number: int, now: float, *, by_itself: bool = False) -> None:
        """A message failed; ``by_itself`` if that says nothing about the channel."""
        failing = self._failing.setdefault(number, _Failing(confirmed_before=self._confirmed))
        failing.tries += 1
        failing.not_before = now + self._pause(failing.tries)
        if by_itself:
            return
        self._suspects.add(number)
        if len(self._suspects) >= _ENOUGH:
            self.rest(now)

    def rest(self, now: float, seconds: float | None = None) -> None:
        """Leave the channel alone: for as long as it asks, or longer each time."""
        if seconds is not None:
            self._asked_until = max(self._asked_until, now + seconds)
            self._paused_until = max(self._paused_until, self._asked_until)
        if self.is_resting(now) and self._pauses:
            return  # what was tried out of turn does not make it longer
        self._pauses += 1
        if seconds is None:
            self._paused_until = now + self._pause(self._pauses)

    def is_resting(self, now: float) -> bool:
        """Whether the channel is to be left alone."""
        return now < self._paused_until

    def tries(self, number: int) -> int:
        """How often a message has failed."""
        failing = self._failing.get(number)
        return failing.tries if failing else 0

    def is_alone(self, number: int) -> bool:
        """Whether the channel has confirmed others since a message failed for the first time."""
        failing = self._failing.get(number)
        return failing is not None and self._confirmed > failing.confirmed_before

    def next_in(self, now: float) -> float | None:
        """Seconds until there may be something to try; None if nothing waits for time to pass."""
        if self.is_resting(now):
            return self._paused_until - now
        soonest = min((one.not_before for one in self._failing.values()), default=None)
        return None if soonest is None else max(0.0, soonest - now)

    def _new(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Those that were never tried, and nothing about the same is owed before them."""
        first: dict[str, Waiting] = {}
        for one in waiting:
            first.setdefault(one.subject, one)
        new = [one for one in first.values() if one.number not in self._failing]
        return sorted(new, key=lambda one: not one.urgent)

    def _pause(self, tries: int) -> float:
        doubled = FIRST_RETRY_SECONDS * 2.0 ** min(tries - 1, 16)
        return self._spread(min(doubled, LAST_RETRY_SECONDS))
