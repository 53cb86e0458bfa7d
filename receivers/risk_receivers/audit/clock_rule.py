"""What the order of records says about the clock that a retention went by. Pure.

Nobody has to set a clock forward for long to delete evidence: two years ahead, one round of
retention, and back. Every single record of that looks right. But records are in the order in which
they happened, whatever they say of the time, and so:

- A retention after which comes a record of an earlier time was recorded by a clock that was ahead
  of the one that came after it. By less than :data:`~risk_receivers.audit.retained.GRACE` this does
  no harm, for what is due is deleted so much later: an honest clock that steps back by seconds or
  hours raises no alarm. By more it is a problem, which no later record makes good again.
- One thing does look like it and is not: a clock that *fell behind* after the retention (a dead
  battery, a suspended machine) and was set right again. Then the time in between hardly passed: it
  jumped, back and forth. Where the clock ran on until it had caught up, for at least half of the
  way, time did pass, and the retention had been ahead. A time before all that was recorded until
  the retention tells nothing at all: that clock is certainly behind.
- A retention that lies in the future of whoever verifies was recorded by a clock that is ahead
  still.

Any other record may bear a wrong time without harm to what is kept: an early one expires early by
its own header only as it was written, and that it goes back is said as a warning.

What this cannot see: a clock that stays wrong, on a machine whose verifier is asked with that very
clock. Signed checkpoints and Prometheus, which has a clock of its own, are the witnesses for that.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_receivers.audit.header import timestamp
from risk_receivers.audit.retained import GRACE

#: What part of the way back a clock has to run by itself, to have been right.
_RAN: Final = 2


@dataclass(slots=True)
class _Run:
    """Records that bear an earlier time than a retention before them, until one does not."""

    first: int
    earliest: datetime
    latest: datetime


@dataclass(slots=True)
class _Watched:
    """A retention.

    Attributes:
        since: the earliest time that was recorded until then.
    """

    seq: int
    at: datetime
    since: datetime
    run: _Run | None = None


class ClockRule:
    """Takes records in order; says which retentions went by a clock that was ahead."""

    def __init__(self) -> None:
        self._watched: list[_Watched] = []  # the latest time last
        self._open: list[_Watched] = []
        self._earliest: datetime | None = None

    def add(self, seq: int, at: datetime, *, retention: bool) -> list[tuple[int, str]]:
        """The problems that one more record makes known, with the records that they are about."""
        if self._earliest is None or at < self._earliest:
            self._earliest = at
        found = []
        if self._open:
            for one in [one for one in self._open if one.at <= at]:
                self._open.remove(one)
                if one.run and _ran(one, one.run):
                    found.append((one.seq, _ahead(one, one.run)))
                    self._watched.remove(one)
                one.run = None
        for one in reversed(self._watched):
            if one.at <= at:
                break
            if at < one.since:
                continue
            if one.run is None:
                one.run = _Run(seq, at, at)
                self._open.append(one)
            one.run.earliest, one.run.latest = min(one.run.earliest, at), max(one.run.latest, at)
        if retention:
            insort(self._watched, _Watched(seq, at, self._earliest), key=lambda one: one.at)
        return found

    def finish(self, now: datetime | None) -> list[tuple[int, str]]:
        """The problems of those that nothing has caught up with."""
        found = []
        for one in self._watched:
            if one.run and one.at - one.run.earliest > GRACE:
                found.append((one.seq, _ahead(one, one.run)))
            elif now is not None and one.at - now > GRACE:
                message = (
                    f"retention was applied at {timestamp(one.at)}, and it is {timestamp(now)} "
                    "now: by a clock that was ahead, before what it deleted was due"
                )
                found.append((one.seq, message))
        return found


def _ran(one: _Watched, run: _Run) -> bool:
    """Whether the clock caught up by running, from where it was more than a little behind."""
    behind = one.at - run.earliest
    return behind > GRACE and (run.latest - run.earliest) * _RAN >= behind


def _ahead(one: _Watched, run: _Run) -> str:
    return (
        f"retention was applied at {timestamp(one.at)}, but what follows it was recorded earlier "
        f"(record {run.first}, from {timestamp(run.earliest)}): the clock had been set forward, "
        "and what was deleted was not due"
    )
