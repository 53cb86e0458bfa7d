"""Reads a chain from either end, a page at a time, beside writers; looks at all that it reads.

Invariant: what is not what was written is never handed out as an event. Each record is checked by
itself and against the one before it; whoever reads gets the event or the reasons why there is
none to be had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY
from risk_receivers.audit.query import StoredEvent, stored_event
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.retained import Missing
from risk_receivers.audit.retention_records import missing_at
from risk_receivers.database.place import Place

#: Records of one read: a few milliseconds, so that the writer's log can be reused soon.
_PAGE: Final = 1000
#: Beyond every seq that SQLite can hold.
_BEYOND: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Browsed:
    """One record as it was found.

    Attributes:
        event: None if what stands there is not what was written.
        problems: why not.
    """

    seq: int
    row: StoredRow
    event: StoredEvent | None
    problems: tuple[str, ...]


def forward(place: Place, after: int = 0) -> Iterator[Browsed]:
    """Every record beyond a seq, the oldest first, up to where the chain ends now.

    Raises UnreadableDatabaseError or one of DATABASE_ERRORS.
    """
    missing = missing_at(place)
    before = tables.read(place, lambda c: tables.row_at(c, after)) if after > 0 else None
    while page := _page_after(place, after):
        yield from _checked(page, before, missing, at_start=after <= 0)
        before = page[-1]
        after = _seq(before)


def backward(place: Place, before: int = _BEYOND) -> Iterator[Browsed]:
    """Every record in front of a seq, the latest first. Raises as :func:`forward` does."""
    missing = missing_at(place)
    missing = missing_at(place)
    while True:
        # One more than is handed out: what the first of the page has to follow from.
        page = _page_before(place, before)
        more = len(page) > _PAGE
        context = page.pop(0) if more else None
        yield from reversed(list(_checked(page, context, missing, at_start=not more)))
        if not more:
            return
        before = _seq(page[0])


def at(place: Place, seq: int) -> tuple[Browsed | None, Browsed | None]:
    """One record and the one that follows it, each None if it is not there."""
    page = tables.read(
        place, lambda c: [*tables.rows_before(c, seq, 1), *tables.rows_after(c, seq - 1, 2)]
    )
    before = page.pop(0) if page and _seq(page[0]) < seq else None
    checked = _checked(page, before, missing_at(place), at_start=before is None)
    found = {one.seq: one for one in checked}
    return found.get(seq), found.get(seq + 1)


def _page_after(place: Place, seq: int) -> list[StoredRow]:
    return tables.read(place, lambda connection: tables.rows_after(connection, seq, _PAGE))


def _page_before(place: Place, seq: int) -> list[StoredRow]:
    return tables.read(place, lambda connection: tables.rows_before(connection, seq, _PAGE + 1))


def _checked(
    page: Iterable[StoredRow], before: StoredRow | None, missing: Missing, *, at_start: bool
) -> Iterator[Browsed]:
    """Each row beside the one in front of it; None in front is the start, or not to be known."""
    previous: tuple[int, str] | None = (EMPTY.size, EMPTY.checksum) if at_start else None
    if before is not None:
        previous = (_seq(before), _hashed(before))
    for row in page:
        checked = check_record(row)
        problems = list(checked.problems)
        seq = _seq(row)
        header = checked.header
        deleted_by = None
        if checked.is_gone and header is not None:
            why = missing.explain(header)
            if isinstance(why, str):
                problems.append(why)
            else:
                deleted_by = why.seq
        if previous is not None:
            if seq != previous[0] + 1:
                problems.append(f"{_span(previous[0] + 1, seq - 1)} missing before it")
            elif header is not None and header.previous_checksum != previous[1]:
                problems.append("does not follow from the record before it")
        event = (
            None
            if problems or header is None or checked.checksum is None
            else stored_event(header, checked.checksum, checked.payload, deleted_by)
        )
        yield Browsed(seq, row, event, tuple(problems))
        previous = (seq, "" if checked.checksum is None else checked.checksum.hex())


def _span(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"{first} to {last} are"


def _hashed(row: StoredRow) -> str:
    checksum = check_record(row).checksum
    return "" if checksum is None else checksum.hex()


def _seq(row: StoredRow) -> int:
    # STRICT tables hold nothing else there; a database without them is the verifier's to name.
    return row.seq if isinstance(row.seq, int) else 0
