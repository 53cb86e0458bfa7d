"""How suspicious an address is, and whether nobody listens to it for now. Pure but for its clock.

Points decay: what an address did counts half as much after every half-life, so that a slip of the
hand is forgotten and somebody who hammers is not. Once they reach the threshold the address is
blocked for a time, which ends by itself. What is kept is bounded, however many addresses come.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_policy.contracts.gate import now_ns
from risk_receivers.sessions.lock_out import subscriber

_SECOND: Final = 1_000_000_000
#: Addresses whose points are known, and those that are blocked: a few hundred kilobytes.
MOST_SCORES: Final = 4096
MOST_BLOCKS: Final = 1024
#: So many times what blocks are the most points: who hammered for a minute is forgotten as soon
#: after a block as who just reached it, and others behind the same address do not pay for hours.
_MOST_TIMES: Final = 2.0
#: Less is forgotten, and shown as nothing.
_LEAST_POINTS: Final = 0.5


class Act(StrEnum):
    """What somebody did; the value is the kind that is counted."""

    AUTH_FAILED = "auth_failed"
    LOGIN_FAILED = "login_failed"
    RATE_LIMITED = "rate_limited"
    INTRUSION = "intrusion"


#: Of ninety, which is what blocks unless the policy says otherwise: nine tokens or passwords may be
#: wrong within a few minutes, and three requests like an attack are no accident.
POINTS: Final = {
    Act.AUTH_FAILED: 10.0,
    Act.LOGIN_FAILED: 10.0,
    Act.RATE_LIMITED: 2.0,
    Act.INTRUSION: 35.0,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an address stands.

    Attributes:
        address: or the network of one subscriber, of IPv6.
        blocked_seconds: for how long it still is; 0 if it is not.
    """

    address: str
    points: float
    blocked_seconds: float


@dataclass(slots=True)
class _Points:
    points: float
    at_ns: int


class Scores:
    """Keeps points and blocks. Thread-safe."""

    def __init__(
        self,
        *,
        half_life_seconds: float,
        block_at: float,
        block_seconds: float,
        never: Sequence[str] = (),
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """``never`` are networks of which nothing is blocked. ``clock`` counts nanoseconds."""
        self._half_life_ns = half_life_seconds * _SECOND
        self.block_at: Final = block_at
        self._block_ns = round(block_seconds * _SECOND)
        self._never = [ipaddress.ip_network(one) for one in never]
        self._clock = clock
        self._lock = threading.Lock()
        self._points: OrderedDict[str, _Points] = OrderedDict()
        self._blocks: dict[str, int] = {}  # until when

    def add(self, address: str, act: Act) -> bool:
        """Somebody did something; whether they are blocked from this moment on."""
        if self._is_exempt(address):
            return False
        key, now = subscriber(address), self._clock()
        with self._lock:
            known = self._points.pop(key, None)
            points = min(self._now(known, now) + POINTS[act], _MOST_TIMES * self.block_at)
            self._points[key] = _Points(points, now)  # the last to be forgotten
            if len(self._points) > MOST_SCORES:
                self._points.popitem(last=False)
            if points < self.block_at or self._blocks.get(key, 0) > now:
                return False
            self._block(key, now)
            return True

    def blocked_seconds(self, address: str) -> float:
        """For how long nobody listens to an address; 0 if somebody does."""
        if not self._blocks:  # nearly always
            return 0.0
        now = self._clock()
        with self._lock:
            return max(0, self._blocks.get(subscriber(address), 0) - now) / _SECOND

    def lift(self, address: str) -> bool:
        """A block ends now, and what led to it is forgotten; whether there was one."""
        now = self._clock()
        with self._lock:
            for key in {address, subscriber(address)}:
                until = self._blocks.pop(key, 0)
                self._points.pop(key, None)
                if until > now:
                    return True
        return False

    def blocks(self) -> int:
        """How many there are."""
        now = self._clock()
        with self._lock:
            return sum(until > now for until in self._blocks.values())

    def all(self) -> list[Standing]:
        """Every address that stands out, the worst first."""
        now = self._clock()
        with self._lock:
            found = [
                Standing(key, points, max(0, self._blocks.get(key, 0) - now) / _SECOND)
                for key in self._points.keys() | self._blocks.keys()
                if (points := self._now(self._points.get(key), now)) >= _LEAST_POINTS
                or self._blocks.get(key, 0) > now
            ]
        return sorted(found, key=lambda one: (-one.blocked_seconds, -one.points, one.address))

    def _now(self, known: _Points | None, now: int) -> float:
        if known is None:
            return 0.0
        age = max(0, now - known.at_ns) / self._half_life_ns
        # Beyond a hundred halvings nothing is left, and the power would be too small to hold.
        return known.points * float(0.5 ** min(age, 100.0))

    def _block(self, key: str, now: int) -> None:
        if len(self._blocks) >= MOST_BLOCKS:
            self._blocks = {k: until for k, until in self._blocks.items() if until > now}
        if len(self._blocks) >= MOST_BLOCKS:
            del self._blocks[min(self._blocks, key=lambda one: self._blocks[one])]
        self._blocks[key] = now + self._block_ns

    def _is_exempt(self, address: str) -> bool:
        """Whatever is no address, such as a user of Slack, is never blocked either."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return True
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._never)
