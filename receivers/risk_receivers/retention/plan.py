"""What of the chain is due to be deleted, what stays although it is due, and why. Reads only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.errors import NotCanonicalError
from risk_receivers.audit.header import Header, parse_header, timestamp
from risk_receivers.audit.holds import Hold
from risk_receivers.audit.retained import Retained
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.retention.needed import needed

#: Records of one look at the database: some milliseconds.
_PAGE: Final = 2000
#: What one record of retention names at most; what is beyond waits for the next one.
MOST_RANGES: Final = 1000
_EXPIRES: Final = re.compile(rb'"expires_at":"([^"]+)"')
IN_FORCE: Final = "what it tells of is in force"
#: Called with the record that was reached and the last one.
Reached = Callable[[int, int], None]


@dataclass(slots=True)
class Stretch:
    """Records of one type with none between them that has to stay."""

    event_type: str
    first: int
    last: int
    count: int = 1


@dataclass(slots=True)
class Tally:
    """How many of one type, and from when to when they were recorded."""

    oldest: datetime
    newest: datetime
    count: int = 0

    def add(self, at: datetime) -> None:
        """One more."""
        self.oldest, self.newest = min(self.oldest, at), max(self.newest, at)
        self.count += 1


@dataclass(slots=True)
class Plan:
    """What was found.

    Attributes:
        retained: what was on record of retention and holds.
        stretches: what may go.
        stays: how many records are due and stay, by the reason.
        unlooked: the last due record that a hold was not looked up for, by the hold's name.
        is_cut: there is more, for another record of retention.
    """

    due_before: datetime
    retained: Retained
    stretches: list[Stretch] = field(default_factory=list)
    by_type: dict[str, Tally] = field(default_factory=dict)
    stays: dict[str, int] = field(default_factory=dict)
    unlooked: dict[str, int] = field(default_factory=dict)
    is_cut: bool = False
    _open: dict[str, Stretch] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many payloads may go."""
        return sum(stretch.count for stretch in self.stretches)

    def take(self, header: Header) -> None:
        """This one may go."""
        kind = str(header.event_type)
        if (stretch := self._open.get(kind)) is not None:
            stretch.last, stretch.count = header.seq, stretch.count + 1
        else:
            self._open[kind] = stretch = Stretch(kind, header.seq, header.seq)
            self.stretches.append(stretch)
        at = header.recorded_at
        self.by_type.setdefault(kind, Tally(at, at)).add(at)

    def keep(self, header: Header, why: str) -> None:
        """This one is due and stays."""
        self.stays[why] = self.stays.get(why, 0) + 1
        self._open.pop(str(header.event_type), None)


def make_plan(
    place: Place, retained: Retained, due_before: datetime, reached: Reached | None = None
) -> Plan:
    """Look through the whole chain. Raises one of DATABASE_ERRORS or UnreadableDatabaseError."""
    plan = Plan(due_before, retained)
    with closing(tables.open_read_only(place)) as connection:
        is_needed = needed(connection)
        end = tables.head(connection).size
        for header in _due(connection, due_before, end, reached):
            if len(plan.stretches) >= MOST_RANGES:
                plan.is_cut = True
                break
            if is_needed(header):
                plan.keep(header, IN_FORCE)
            elif holds := [one for one in retained.holds.values() if one.why_held(header)]:
                plan.keep(header, _held(connection, plan, header, holds))
            else:
                plan.take(header)
    return plan


def covered(
    connection: Connection, plan: Callable[[Header], bool], after: int, until: int
) -> Iterator[list[int]]:
    """The numbers of records whose payloads are there and that a condition is true for."""
    while after < until:
        page = tables.present(connection, after, until, _PAGE)
        yield [seq for seq, header in page if (read := _read(header)) and plan(read)]
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _due(
    connection: Connection, before: datetime, end: int, reached: Reached | None
) -> Iterator[Header]:
    limit = timestamp(before).encode()  # as text it sorts as the time does
    after = 0
    while after < end:
        page = tables.present(connection, after, end, _PAGE)
        for _, data in page:
            found = _EXPIRES.search(data)
            if found and found[1] <= limit and (header := _read(data)):
                yield header
        after = page[-1][0] if len(page) == _PAGE else end
        if reached:
            reached(after, end)


def _held(connection: Connection, plan: Plan, header: Header, holds: list[Hold]) -> str:
    """By which hold, or which of them nobody has looked up yet."""
    for hold in holds:
        if header.seq <= hold.looked_at or not hold.filter.reads_payloads:
            return f"legal hold {hold.name}"
    row = tables.row_at(connection, header.seq)
    payload = row.payload if row and isinstance(row.payload, bytes) else b""
    for hold in holds:
        plan.unlooked[hold.name] = header.seq
    for hold in holds:
        if hold.filter.covers(header, payload):
            return f"legal hold {hold.name}"
    return f"legal hold {holds[0].name} is looked up for it first"


def _read(data: bytes) -> Header | None:
    try:
        return parse_header(data)
    except NotCanonicalError:
        return None  # the chain is broken there, which its verifier tells; nothing is deleted
