"""Another release of the receivers takes over, or the old one is back.

Nothing is touched before the new release has said that it could start. The new one is started
while the old one still works, loads, and waits for its turn; so what lies between them is the end
of the one and the recovery of the other. Meanwhile the gate lets no new risk through, and what
Prometheus and Alertmanager could not deliver they send again. If the new one is not ready in time
it is stopped and the old one started; if that fails too, it is said as loudly as can be.

Whoever interrupts it gets the old one back, or keeps the new one if that is ready already. No
upgrade is left half way, where one that nobody looks at takes over, or none does.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from risk_receivers.turn import STANDBY_LOCK

#: A service announces neither that it is ready nor that it waits to whoever looks on.
_LOOK_SECONDS: Final = 0.02
#: There is nothing else left that could be done.
_LEAST_BACK_SECONDS: Final = 60.0
_INTERRUPTED: Final = "it was interrupted"


class Outcome(Enum):
    """How an upgrade ended; the value is the command's exit status."""

    DONE = 0
    NOTHING_CHANGED = 1
    ROLLED_BACK = 3
    NEITHER_IS_READY = 4


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an upgrade.

    Attributes:
        why: what went wrong, in words; empty if nothing did.
        gap_seconds: between the last answer of the old one and the first of whoever serves now.
    """

    outcome: Outcome
    why: str = ""
    gap_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Releases:
    """How releases are dealt with. Each act returns what went wrong, or an empty text.

    Attributes:
        waits: whether a service waits for its turn; None if nobody can tell.
        within_seconds: how long a release may take to load, and to become ready.
        interrupted: whether somebody wants it to end. Going back is not interrupted.
    """

    check: Callable[[str], str]
    start: Callable[[str], str]
    stop: Callable[[str], str]
    is_ready: Callable[[], bool]
    waits: Callable[[], bool] | None
    within_seconds: float
    interrupted: Callable[[], bool]


def upgrade(old: str, new: str, releases: Releases, say: Callable[[str], None]) -> Ended:
    """Replace a release by another one."""
    if not releases.is_ready():
        return Ended(Outcome.NOTHING_CHANGED, f"{old} is not ready, so nothing could go back to it")
    if why := releases.check(new):
        return Ended(Outcome.NOTHING_CHANGED, f"{new} would not start: {why}")
    if releases.interrupted():
        return Ended(Outcome.NOTHING_CHANGED, _INTERRUPTED)
    say(f"{new} starts, {old} still works")
    why = releases.start(new)
    if not why and releases.waits is not None:
        late = f"it has not loaded within {releases.within_seconds:g} s"
        why = _awaited(releases.waits, releases, late)
        if not why and releases.interrupted():  # while the old one has not been touched
            why = _INTERRUPTED
    began = time.monotonic()
    if why:
        stopped = releases.stop(new)
        if releases.is_ready():
            left = f"; and it was not stopped: {stopped}" if stopped else ""
            return Ended(Outcome.NOTHING_CHANGED, f"{new} did not start: {why}{left}")
    else:
        say(f"{old} stops, {new} takes over")
        began = time.monotonic()
        late = f"it was not ready within {releases.within_seconds:g} s"
        why = releases.stop(old) or _awaited(releases.is_ready, releases, late)
        if not why:
            return Ended(Outcome.DONE, gap_seconds=time.monotonic() - began)
        stopped = releases.stop(new)
    say(f"{new}: {why}; {old} comes back")
    back = releases.start(old)
    if _soon(releases.is_ready, max(_LEAST_BACK_SECONDS, releases.within_seconds)):
        return Ended(Outcome.ROLLED_BACK, f"{new}: {why}", time.monotonic() - began)
    reasons = "; ".join(one for one in (why, stopped, back) if one)
    return Ended(Outcome.NEITHER_IS_READY, reasons, time.monotonic() - began)


def _awaited(condition: Callable[[], bool], releases: Releases, late: str) -> str:
    """Nothing once the condition holds; else why it was given up."""
    for _ in _looks(time.monotonic() + releases.within_seconds):
        if condition():
            return ""
        if releases.interrupted():
            return _INTERRUPTED
    return late


def _soon(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    return any(condition() for _ in _looks(until))


def _looks(until: float) -> Iterator[None]:
    yield
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        yield


def somebody_waits(data: Path) -> bool:
    """Whether a receivers service waits for its turn on a data folder."""
    try:
        descriptor = os.open(data / STANDBY_LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
