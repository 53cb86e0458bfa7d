"""How many connections those may hold who have brought no token: fewer than this process has files.

A connection costs nobody anything, and a process has only so many: once they are gone no kill comes
in, and no store, gate or spool can be opened. So whoever is unknown makes way for the next one,
those first of whom nothing was heard for longest. Whoever brought a token once stays.
"""

from __future__ import annotations

import resource
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Protocol

#: Browsers, probes, Prometheus and Slack hold some ten.
_MOST: Final = 256
#: The part of all files that may be theirs; store, gate, channels and senders need the rest.
_PART: Final = 4


Headers = Iterable[tuple[bytes, bytes]]


class Connection(Protocol):
    """What may have to end."""

    def make_way(self) -> None:
        """End at once."""


class Strangers:
    """Connections over which no token has come. One event loop's."""

    def __init__(self, knows: Callable[[Headers], bool], most: int) -> None:
        """``knows`` says whether headers carry anybody's token or session."""
        self.knows: Final = knows
        self._most = most
        self._connections: OrderedDict[Connection, None] = OrderedDict()

    def heard(self, connection: Connection) -> None:
        """One came, or was used."""
        self._connections[connection] = None
        self._connections.move_to_end(connection)
        while len(self._connections) > self._most:
            longest_unheard, _ = self._connections.popitem(last=False)
            longest_unheard.make_way()

    def no_more(self, connection: Connection) -> None:
        """One is over, or no stranger's."""
        self._connections.pop(connection, None)


def most_strangers() -> int:
    """How many connections this process can spare."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // _PART)
