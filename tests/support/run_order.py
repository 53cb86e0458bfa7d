"""In which order several processes run the tests that each of them has collected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

_Test = TypeVar("_Test")


def dealt(long: Sequence[_Test], rest: Sequence[_Test], processes: int) -> list[_Test]:
    """The long ones before the rest, dealt out one by one.

    Each process begins with an equal part of all tests, in order, and when that is done takes over
    some of what the others have not come to. Who begins late and takes long is waited for by all.
    """
    others = iter(rest)
    ordered: list[_Test] = []
    for number in range(processes):
        part = (len(long) + len(rest) - len(ordered)) // (processes - number)
        first = long[number::processes]
        ordered += [*first, *islice(others, max(0, part - len(first)))]
    return [*ordered, *others]
