"""Whether the clock may be believed before anything is deleted by it.

Whoever sets the clock forward makes everything due. So the time since the last records must have
passed where somebody saw it pass: in records that follow each other, or in this process, by a clock
that nobody can set (``CLOCK_BOOTTIME``). Time that nobody saw, more than a day of it, is either a
service that did not run or a clock that was set. Which of them cannot be told from within, so
nothing is deleted for a day in which people are told of it; then it counts as seen. Who knows
better may say so (``riskwarden audit prune --clock-is-right``), which goes on record.

Less than a day is never doubted: what is due is deleted a day later, so it harms nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.errors import NotCanonicalError
from risk_receivers.audit.header import parse_header, timestamp
from risk_receivers.audit.retained import GRACE, Applied
from risk_receivers.database.connection import Connection

#: So long the clock has to run on after a jump. No less than the grace: see :func:`_jump`.
SETTLING: Final = timedelta(days=1)


def uptime() -> float:
    """Seconds that have passed since this machine started, by a clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ProcessClock:
    """What this process has seen of the time: since when, without a jump."""

    def __init__(self, now: datetime, uptime: Callable[[], float] = uptime) -> None:
        self._uptime = uptime
        self._jump_seen: timedelta | None = None
        self._jumped = timedelta()
        self._began(now)

    @property
    def doubt(self) -> str:
        """Why the clock was not to be believed when it was last looked at; empty if it was.

        Records between many small jumps do not make them time that has passed.
        """
        if self._jump_seen is None:
            return ""
        hours = self._jumped / timedelta(hours=1)
        return (
            f"since {timestamp(self._since)} the clock went {hours:.0f} hours further than time "
            "has passed here: it was set forward. If it is right, retention goes on in a day"
        )

    def seen_since(self, now: datetime) -> datetime:
        """From when on all time is known to have passed, by a clock that shows ``now``."""
        passed = timedelta(seconds=self._uptime() - self._at)
        jumped = self._jumped = now - self._since - passed
        if jumped < -GRACE:
            self._began(now)
        elif jumped <= GRACE:
            self._jump_seen = None
        elif self._jump_seen is None:
            self._jump_seen = passed
            return now
        elif passed - self._jump_seen < SETTLING:
            return now
        else:
            self._began(now)
        return self._since

    def _began(self, now: datetime) -> None:
        self._since = now
        self._at = self._uptime()
        self._jump_seen = None


@dataclass(frozen=True, slots=True)
class _Seen:
    seq: int
    at: datetime


def doubt(connection: Connection, now: datetime, seen_since: datetime, last: Applied | None) -> str:
    """Why the clock is not to be believed; empty if it is.

    ``seen_since`` is from when on this process has seen the time pass, ``last`` the last retention.
    """
    if last is not None and last.at - now > GRACE:
        return (
            f"the clock shows {timestamp(now)}, but retention was applied at {timestamp(last.at)} "
            f"(record {last.seq}): it went by a clock that was ahead, or this one is behind"
        )
    end = _at(connection, tables.head(connection).size)
    if end is None:
        return ""
    if end.at - now > GRACE:
        return (
            f"the clock shows {timestamp(now)}, but record {end.seq} was recorded at "
            f"{timestamp(end.at)}: the clock is behind, or was ahead then"
        )
    before, after = _jump(connection, end, now)
    unseen = min(after.at, seen_since) - before.at
    if unseen <= GRACE:
        return ""
    until = "now" if after.seq == 0 else f"record {after.seq}"
    return (
        f"{unseen.days} days passed between record {before.seq} ({timestamp(before.at)}) and "
        f"{until} ({timestamp(after.at)}), and nobody saw them pass: the service did not run, or "
        f"the clock was set forward. Nothing is deleted before {timestamp(after.at + SETTLING)}; "
        "if the clock is right, there is nothing to do"
    )


def _jump(connection: Connection, end: _Seen, now: datetime) -> tuple[_Seen, _Seen]:
    """The two records between which the time came to lie within the last day.

    A jump of more than a day within the last day can only be there. Records are in the order of
    time but for small steps, so that halving finds one such place.
    """
    limit = now - SETTLING
    if end.at <= limit:
        return end, _Seen(0, now)
    low, high = _Seen(0, end.at), end
    while high.seq - low.seq > 1:
        middle = _at(connection, (low.seq + high.seq) // 2)
        if middle is None:  # what is wrong there is the verifier's to say
            break
        low, high = (middle, high) if middle.at <= limit else (low, middle)
    return (high, high) if low.seq == 0 else (low, high)


def _at(connection: Connection, seq: int) -> _Seen | None:
    row = tables.row_at(connection, seq)
    if row is None or not isinstance(row.header, bytes):
        return None
    try:
        return _Seen(seq, parse_header(row.header).recorded_at)
    except NotCanonicalError:
        return None
