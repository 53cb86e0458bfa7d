"""Records looked at by processes of their own, while one follows the links and grows the tree.

What they find right is taken as right. Everything else, and all of it if they die, is looked at
again where it is told of, so that every finding is the same as without them, in the same order.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from itertools import chain, islice
from multiprocessing import get_context
from typing import Final

from risk_policy.contracts.audit import PERMANENT
from risk_receivers.audit.record import Link, StoredRow, check_record

#: Fewer rows are done before the first process has started.
_WORTH_IT: Final = 20_000
_PAGE: Final = 2_000
#: The service that runs beside it comes first.
_NICER: Final = 10
#: Rows and links as they go from one process to another: plain tuples go fastest.
Row = tuple[object, ...]
Cells = tuple[int, str, str, str, datetime, bytes] | None


def prechecked(rows: Iterator[StoredRow], processes: int) -> Iterator[StoredRow | Link]:
    """Each row that is still to be checked, and the link of each that is right by itself."""
    first = list(islice(rows, _WORTH_IT)) if processes > 1 else []
    if len(first) < _WORTH_IT:
        yield from chain(first, rows)
        return
    every = chain(first, rows)
    # Forked, they need nothing that may be missing in a fresh start, and touch nothing of this
    # one's but the rows they are sent.
    pool = ProcessPoolExecutor(processes, get_context("fork"), initializer=_step_back)
    under_way: deque[tuple[list[StoredRow], Future[list[Cells]] | None]] = deque()
    try:
        while page := list(islice(every, _PAGE)):
            under_way.append((page, _asked(pool, page)))
            if len(under_way) > 2 * processes:
                yield from _found(*under_way.popleft())
        while under_way:
            yield from _found(*under_way.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def links_of(page: Sequence[Row]) -> list[Cells]:
    """The link of each row with which all is right by itself, and whose payload nobody needs."""
    return [_link_of(StoredRow._make(row)) for row in page]


def _link_of(row: StoredRow) -> Cells:
    record = check_record(row, reads_others=False)
    header = record.header
    if record.problems or record.is_gone or header is None or record.checksum is None:
        return None
    if header.event_type in PERMANENT or type(row.seq) is not int:
        return None
    return (
        *(header.seq, header.event_type, header.origin),
        *(header.previous_checksum, header.recorded_at, record.checksum),
    )


def _asked(pool: ProcessPoolExecutor, page: list[StoredRow]) -> Future[list[Cells]] | None:
    try:
        return pool.submit(links_of, [tuple(row) for row in page])
    except (BrokenProcessPool, OSError):  # no helpers: the one that asks does it itself
        return None


def _found(page: list[StoredRow], asked: Future[list[Cells]] | None) -> Iterator[StoredRow | Link]:
    try:
        found = [None] * len(page) if asked is None else asked.result()
    except BrokenProcessPool:
        found = [None] * len(page)
    for row, cells in zip(page, found, strict=True):
        yield row if cells is None else Link._make(cells)


def _step_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    os.nice(_NICER)
