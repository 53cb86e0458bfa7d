"""How long a graceful kill has been closing at targets, whatever the clocks do. Pure.

While the machine runs, the time is that of CLOCK_BOOTTIME, which nobody can set and which goes on
while it sleeps: a restart of the service costs nothing, a jump of the wall clock neither loses time
nor makes any. What has passed is noted again and again, so that after a start of the machine only
the time in between is asked of the wall clock; one that was set back meanwhile adds nothing, and
nothing is taken away.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from risk_policy.clock import utc_now
from risk_policy.contracts.gate import boot_id

#: Name of the stored fact, with a colon and the kill's id. Older stores have one, without.
FACT: Final = "graceful_countdown"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on every clock there is.

    Attributes:
        boot: which start of the machine it belongs to; empty if nobody can tell.
        uptime_seconds: since then.
    """

    at: datetime
    boot: str = ""
    uptime_seconds: float = 0.0

    def since(self, earlier: Moment) -> float:
        """Seconds from an earlier moment to this one, never less than none."""
        if self.boot and self.boot == earlier.boot:
            return max(0.0, self.uptime_seconds - earlier.uptime_seconds)
        return max(0.0, (self.at - earlier.at).total_seconds())


@dataclass(frozen=True, slots=True)
class Countdown:
    """What has passed of a kill's time, and when that was noted."""

    kill_id: str
    spent_seconds: float
    noted: Moment

    def at(self, now: Moment) -> Countdown:
        """The same, later."""
        return Countdown(self.kill_id, self.spent_seconds + now.since(self.noted), now)


def begun(kill_id: str, since: datetime, now: Moment) -> Countdown:
    """One of which nothing was noted: all that is known is when the mode was taken."""
    return Countdown(kill_id, now.since(Moment(since)), now)


def encode(countdown: Countdown) -> str:
    """As it is stored."""
    return msgspec.json.encode(countdown).decode()


def decode(text: str) -> Countdown | None:
    """As it was stored; None for what is none, as after somebody changed it."""
    try:
        found = msgspec.json.decode(text, type=Countdown)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    is_sane = found.spent_seconds >= 0 and found.noted.at.tzinfo is not None
    return found if is_sane else None


def this_moment() -> Moment:
    """Now."""
    try:
        boot = boot_id().hex()
    except (OSError, ValueError):
        boot = ""
    return Moment(utc_now(), boot, time.clock_gettime(time.CLOCK_BOOTTIME))
