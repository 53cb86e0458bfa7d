"""Who has to wait before another log-in is even looked at: by name, and by address.

Nobody is locked out of anything but logging in: tokens, sessions that are open and the kill go on.
And nobody is locked out by strangers where they work: somebody who has logged in from an address
before counts there by themselves, whatever fails elsewhere in that name, or there in others'.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from risk_policy.contracts.gate import now_ns
from risk_receivers.sessions.backoff import Backoff

#: Why a log-in is not looked at, as it goes on record.
HAS_TO_WAIT: Final = "has to wait after log-ins that failed"
#: Slips of the hand. Guessing at what follows takes a day for some hundred tries.
FREE_TRIES_OF_A_NAME: Final = 5
#: Several people may come from one address.
FREE_TRIES_OF_AN_ADDRESS: Final = 20
_FIRST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 900.0
_FORGOTTEN_SECONDS: Final = 86_400.0
#: Within a minute; whoever logs in more often is a program, and programs have tokens.
_GOOD_ONES: Final = 20
_GOOD_SECONDS: Final = 60.0
#: Addresses that are remembered of one name, and names of which any are.
_MOST_PLACES: Final = 8
_MOST_NAMES: Final = 1000
#: What is given to one subscriber, who has all of its addresses.
_SUBSCRIBER_BITS: Final = 64


@lru_cache(maxsize=1024)  # every request asks, and few come from many addresses
def subscriber(address: str) -> str:
    """What counts as one address: of IPv6 a whole network, for anybody has as many as they like."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _SUBSCRIBER_BITS), strict=False))


class LockOut:
    """Decides. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], int] = now_ns,
        familiar: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """``familiar`` says from where who has come before, the latest last."""
        self._lock = threading.Lock()
        self._familiar: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        for name, places in (familiar or {}).items():
            for place in places:
                self._learn(name, place)

        def backoff(free: int) -> Backoff:
            return Backoff(
                clock,
                free=free,
                first_seconds=_FIRST_SECONDS,
                most_seconds=_MOST_SECONDS,
                forgotten_seconds=_FORGOTTEN_SECONDS,
            )

        #: Log-ins that were good: each is a record and a hash, so there are not many of one name.
        self._good = Backoff(
            clock,
            free=_GOOD_ONES,
            first_seconds=_FIRST_SECONDS,
            most_seconds=_GOOD_SECONDS,
            forgotten_seconds=_GOOD_SECONDS,
        )
        self._by_name = backoff(FREE_TRIES_OF_A_NAME)
        self._by_address = backoff(FREE_TRIES_OF_AN_ADDRESS)

    def wait_seconds(self, name: str, address: str) -> int:
        """For how many seconds no log-in of this name from this address is looked at."""
        of_name = self._by_name.wait_seconds(self._key(name, address))
        # Whoever has logged in here does not pay for what others do behind the same address.
        of_address = (
            0.0
            if self.is_familiar(name, address)
            else self._by_address.wait_seconds(subscriber(address))
        )
        return math.ceil(max(of_name, of_address, self._good.wait_seconds(name)))

    def is_familiar(self, name: str, address: str) -> bool:
        """Whether somebody of this name has logged in from here before."""
        with self._lock:
            return subscriber(address) in self._familiar.get(name, ())

    def is_somebodys(self, address: str) -> bool:
        """Whether anybody has."""
        place = subscriber(address)
        with self._lock:
            return any(place in places for places in self._familiar.values())

    def begin(self, name: str, address: str) -> None:
        """A log-in is looked at; it failed until somebody says otherwise."""
        self._by_name.begin(self._key(name, address))
        self._by_address.begin(subscriber(address))

    def undecided(self, name: str, address: str) -> None:
        """Nobody found out whether it was good."""
        self._by_name.take_back(self._key(name, address))
        self._by_address.take_back(subscriber(address))

    def succeeded(self, name: str, address: str) -> None:
        """It was good. Of an address only this try is forgiven: else one's own account would pay
        for guessing at another's.
        """
        self._good.begin(name)
        self._by_name.forgive(self._key(name, address))
        self._by_address.take_back(subscriber(address))
        with self._lock:
            self._learn(name, subscriber(address))

    def _learn(self, name: str, place: str) -> None:
        places = self._familiar.setdefault(name, OrderedDict())
        places[place] = None
        places.move_to_end(place)
        while len(places) > _MOST_PLACES:
            places.popitem(last=False)
        self._familiar.move_to_end(name)
        while len(self._familiar) > _MOST_NAMES:
            self._familiar.popitem(last=False)

    def _key(self, name: str, address: str) -> str:
        familiar = self.is_familiar(name, address)
        return f"{name} at {subscriber(address)}" if familiar else name
