"""How the process takes memory from the C library: from few heaps, whatever its threads.

glibc gives nearly every thread a heap of its own, and each keeps the most that its thread ever
held: the pages that a reader of the store had in hand, times the number of threads, for as long as
the service runs. They grow with the store, up to a bound, for hours. Threads that take turns under
Python's lock gain nothing by heaps of their own.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
#: One for the main thread, one for all others.
_HEAPS: Final = 2


def use_few_heaps() -> None:
    """To be called before threads are started. Another C library than glibc is left alone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
