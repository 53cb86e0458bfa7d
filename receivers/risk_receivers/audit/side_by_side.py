"""Payloads looked at by processes of their own, while one follows the links and grows the tree.

What they find right is taken as right. Everything else, and all of it if they die, is looked at
again where it is told of, so that every finding is the same as without them, in the same order.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

from risk_policy.contracts.audit import PERMANENT
from risk_receivers.audit.record import StoredRow, check_record

#: Fewer rows are done before the first process has started.
_WORTH_IT: Final = 20_000
_PAGE: Final = 2_000
#: The service that runs beside it comes first.
_NICER: Final = 10


def prechecked(rows: Iterator[StoredRow], processes: int) -> Iterator[tuple[StoredRow, bool]]:
    """Each row, and whether its payload is known to be right and tells the verifier nothing."""
    first = list(islice(rows, _WORTH_IT)) if processes > 1 else []
    if len(first) < _WORTH_IT:
        for row in chain(first, rows):
            yield row, False
        return
    every = chain(first, rows)
    # Forked, they need nothing that may be missing in a fresh start, and touch nothing of this
    # one's but the rows they are sent.
    pool = ProcessPoolExecutor(processes, get_context("fork"), initializer=_step_back)
    under_way: deque[tuple[list[StoredRow], Future[list[bool]] | None]] = deque()
    try:
        while page := list(islice(every, _PAGE)):
            under_way.append((page, _asked(pool, page)))
            if len(under_way) > 2 * processes:
                yield from _found(*under_way.popleft())
        while under_way:
            yield from _found(*under_way.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def payloads_right(rows: list[StoredRow]) -> list[bool]:
    """Of each row whether all is right with it by itself, and nobody needs its payload."""
    found = []
    for row in rows:
        record = check_record(row)
        right = not (record.problems or record.payload is None or record.header is None)
        found.append(right and record.header is not None and _needs_none(record.header.event_type))
    return found


def _needs_none(event_type: str) -> bool:
    return event_type not in PERMANENT


def _asked(pool: ProcessPoolExecutor, page: list[StoredRow]) -> Future[list[bool]] | None:
    try:
        return pool.submit(payloads_right, page)
    except (BrokenProcessPool, OSError):  # no helpers: the one that asks does it itself
        return None


def _found(
    page: list[StoredRow], asked: Future[list[bool]] | None
) -> Iterator[tuple[StoredRow, bool]]:
    try:
        right = [False] * len(page) if asked is None else asked.result()
    except BrokenProcessPool:
        right = [False] * len(page)
    yield from zip(page, right, strict=True)


def _step_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    os.nice(_NICER)
