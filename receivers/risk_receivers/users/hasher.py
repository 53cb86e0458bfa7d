"""Hashing of passwords: slow by design, so kept away from everything that has to be quick.

One hash at a time, by a thread that makes way for every other, and few that wait for it: a flood
of log-ins takes the memory of one hash and what processor time is left over. Whoever comes when
too many wait is told so, and nothing is decided about them. Strangers leave room for those who
have logged in from where they are before.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from risk_receivers.errors import ReceiversError
from risk_receivers.users.passwords import normalised

T = TypeVar("T")
#: RFC 9106, section 4, the second recommended option: 64 MiB, three passes, four lanes. The first
#: wants 2 GiB for each log-in.
PARAMETERS: Final = RFC_9106_LOW_MEMORY
#: Some two seconds' worth. More people than that do not log in at the same time.
_MOST_WAITING: Final = 8
#: How much later than everything else the scheduler lets it run; what trips the switch is at 0.
_NICENESS: Final = 10


class BusyError(ReceiversError):
    """Too many passwords wait to be hashed; this one was not looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right, and if so its hash by today's parameters if it has another."""

    good: bool
    rehashed: str | None = None


class Hasher:
    """Hashes and compares, in a thread of its own."""

    def __init__(
        self, parameters: Parameters = PARAMETERS, most_waiting: int = _MOST_WAITING
    ) -> None:
        self._argon2 = PasswordHasher.from_parameters(parameters)
        self._nobodys = _nobodys_hash(parameters)
        self._room = threading.BoundedSemaphore(most_waiting)
        self._strangers_room = threading.BoundedSemaphore(max(1, most_waiting // 2))
        self._thread = ThreadPoolExecutor(1, "hasher", _make_way)

    def hash(self, password: str) -> Future[str]:
        """What is kept of a password. Raises BusyError."""
        return self._submit(lambda: self._argon2.hash(normalised(password)), self._room)

    def verify(
        self, kept: str | None, password: str, *, is_stranger: bool = False
    ) -> Future[Verdict]:
        """Whether a password is the one of which ``kept`` is kept; None is nobody's.

        That takes as long for nobody's as for anybody's. Raises BusyError.
        """
        rooms = (self._strangers_room, self._room) if is_stranger else (self._room,)
        return self._submit(lambda: self._verdict(kept, normalised(password)), *rooms)

    def close(self) -> None:
        """Finish what is being hashed; what waits is not hashed any more."""
        self._thread.shutdown(cancel_futures=True)

    def _verdict(self, kept: str | None, password: str) -> Verdict:
        try:
            self._argon2.verify(self._nobodys if kept is None else kept, password)
        except (VerificationError, InvalidHashError):
            return Verdict(good=False)
        if kept is None:
            return Verdict(good=False)
        is_stale = self._argon2.check_needs_rehash(kept)
        return Verdict(good=True, rehashed=self._argon2.hash(password) if is_stale else None)

    def _submit(self, work: Callable[[], T], *rooms: threading.BoundedSemaphore) -> Future[T]:
        """Once there is a place in each of these rooms."""
        with ExitStack() as taken:
            for room in rooms:
                if not room.acquire(blocking=False):
                    raise BusyError("too many log-ins at the same time; try again in a few seconds")
                taken.callback(room.release)
            try:
                future = self._thread.submit(work)
            except RuntimeError as error:  # it was closed
                raise BusyError("the service stops") from error
            leave = taken.pop_all()
        future.add_done_callback(lambda _: leave.close())
        return future


def _make_way() -> None:
    """Threads that Argon2 starts from here inherit it."""
    with contextlib.suppress(OSError):  # it is a courtesy, and the bound above holds without it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _nobodys_hash(parameters: Parameters) -> str:
    """A hash that no password has, which takes as long to find out as with any other."""

    def random(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")

    return (
        f"$argon2id$v={parameters.version}$m={parameters.memory_cost},t={parameters.time_cost},"
        f"p={parameters.parallelism}${random(parameters.salt_len)}${random(parameters.hash_len)}"
    )
