"""Which lines of some files are run."""

from __future__ import annotations

import contextlib
import mmap
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

#: Of the longest module.
MOST_LINES: Final = 2000


@contextlib.contextmanager
def traced(places: dict[str, int]) -> Iterator[mmap.mmap]:
    """Notes the lines that are run of some files, by any thread and in any fork of this process."""
    seen = mmap.mmap(-1, MOST_LINES * len(places))

    def called(frame: FrameType, event: str, argument: object) -> Any:
        place = places.get(frame.f_code.co_filename)
        if place is None:
            return None

        def at_line(frame: FrameType, event: str, argument: object) -> Any:
            seen[place + frame.f_lineno] = 1
            return at_line

        return at_line

    threading.settrace(called)
    sys.settrace(called)
    try:
        yield seen
    finally:
        sys.settrace(None)
        threading.settrace(None)
