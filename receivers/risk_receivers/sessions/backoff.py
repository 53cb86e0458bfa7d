"""How long somebody has to wait after log-ins that failed. Pure, and bounded whoever hammers.

A few tries are free, then each costs twice the wait of the one before, up to a most. A try counts
as failed when it begins, so that many at the same time are no way around it; one that succeeds
takes that back. Keys are put into a fixed number of places, by a hash that nobody can predict: so
known and unknown names are treated alike, and no flood of names makes one be forgotten.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_SECOND: Final = 1_000_000_000
_PLACES: Final = 65_536
#: So many are looked through for what is forgotten by now.
_SWEEP_AT: Final = 4096


@dataclass(slots=True)
class _Tries:
    count: int
    last_ns: int


class Backoff:
    """Counts tries by key. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], int],
        *,
        free: int,
        first_seconds: float,
        most_seconds: float,
        forgotten_seconds: float,
    ) -> None:
        """``clock`` counts nanoseconds. After ``forgotten_seconds`` without a try all is well."""
        self._clock = clock
        self._free = free
        self._first_ns = round(first_seconds * _SECOND)
        self._most_ns = round(most_seconds * _SECOND)
        self._forgotten_ns = round(forgotten_seconds * _SECOND)
        self._salt = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._tries: dict[int, _Tries] = {}

    def wait_seconds(self, key: str) -> float:
        """How long it is until the next try; 0 if there is none to wait for."""
        with self._lock:
            return self._wait(self._tries.get(self._place(key)), self._clock()) / _SECOND

    def begin(self, key: str) -> None:
        """A try, which failed until somebody says otherwise."""
        place, now = self._place(key), self._clock()
        with self._lock:
            if len(self._tries) >= _SWEEP_AT:
                self._sweep(now)
            known = self._tries.get(place)
            if known is None or now - known.last_ns >= self._forgotten_ns:
                known = self._tries[place] = _Tries(0, now)
            known.count += 1
            known.last_ns = now

    def take_back(self, key: str) -> None:
        """One try did not fail."""
        with self._lock:
            known = self._tries.get(self._place(key))
            if known is not None and known.count:
                known.count -= 1

    def forgive(self, key: str) -> None:
        """All that failed is forgotten."""
        with self._lock:
            self._tries.pop(self._place(key), None)

    def _wait(self, tries: _Tries | None, now: int) -> int:
        if tries is None or tries.count < self._free:
            return 0
        # Beyond 30 doublings of a millisecond lies everything that anybody would set.
        wait = min(self._first_ns << min(tries.count - self._free, 30), self._most_ns)
        return max(0, tries.last_ns + wait - now)

    def _place(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode(), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest, "big") % _PLACES

    def _sweep(self, now: int) -> None:
        self._tries = {
            place: tries
            for place, tries in self._tries.items()
            if now - tries.last_ns < self._forgotten_ns
        }
