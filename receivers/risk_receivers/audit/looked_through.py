"""The records that fit some filters, as many as one look may take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from risk_receivers.audit.browse import Browsed
from risk_receivers.audit.errors import DamagedRecordError
from risk_receivers.audit.query import StoredEvent
from risk_receivers.audit.selection import Selection

#: About a second of somebody's patience.
MOST_LOOKED_AT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """Events that fit.

    Attributes:
        searched_to: the last record that was looked at; whoever wants more goes on from it.
        complete: whether nothing lies beyond.
    """

    events: list[StoredEvent]
    searched_to: int
    complete: bool


def look_through(records: Iterable[Browsed], selection: Selection, start: int, limit: int) -> Found:
    """The first that fit, in the order they come. Raises DamagedRecordError."""
    events: list[StoredEvent] = []
    seq = start
    for looked_at, found in enumerate(records):
        if len(events) >= limit or looked_at >= MOST_LOOKED_AT:
            return Found(events, seq, complete=False)
        seq = found.seq
        if found.event is None:
            raise DamagedRecordError(found.seq, "; ".join(found.problems))
        if selection.wants_header(found.event) and selection.wants_payload(found.event.payload):
            events.append(found.event)
    return Found(events, seq, complete=True)
