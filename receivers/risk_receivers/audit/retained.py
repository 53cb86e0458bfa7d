"""What the chain tells of retention and of legal holds: why a payload may be gone. Pure.

A payload that is gone is accepted only if a record RETENTION_APPLIED covers it:

- it names the payload's type and a stretch of numbers that the record lies in,
- the payload was due by then: kept for a time that the header states, and that was over,
- no legal hold that was in force then has to keep it.

Everything else that is missing is a problem, which says what it is. A hold that is placed later
ends what an earlier retention has not come to yet: the record of the hold says how far that was,
for what is still there then is held. Both kinds of records are never deleted themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.header import Header
from risk_receivers.audit.holds import Hold, HoldFilter, Ranges, is_in, moment
from risk_receivers.audit.payload import Payload

#: What is due is deleted so much later. A clock that is ahead by less deletes nothing too early, so
#: the small steps of an honest clock need no judgement: those that could matter are rare.
GRACE: Final = timedelta(days=1)
MISSING: Final = "the payload is missing, and no retention allowed that"


@dataclass(frozen=True, slots=True)
class Applied:
    """One retention.

    Attributes:
        at: when it was recorded.
        due_before: what it deleted was due before.
        ranges: which records, by type.
        holds: which holds were in force.
        ended_at: the first record that it had not come to when a hold was placed.
    """

    seq: int
    at: datetime
    due_before: datetime
    ranges: Mapping[str, Ranges]
    holds: tuple[Hold, ...] = ()
    ended_at: int | None = None

    def names(self, header: Header) -> bool:
        """Whether a record is among those that it is about."""
        return (
            header.seq < self.seq
            and is_in(header.seq, self.ranges.get(str(header.event_type), ()))
            and (self.ended_at is None or header.seq < self.ended_at)
        )

    @property
    def stretches(self) -> Ranges:
        """The records that it is about, whatever their types, in order."""
        found: list[tuple[int, int]] = []
        for first, last in sorted(one for ranges in self.ranges.values() for one in ranges):
            if found and first <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(found[-1][1], last))
            else:
                found.append((first, last))
        return tuple(found)

    def allows(self, header: Header) -> bool:
        """Whether it named a record, and was right to."""
        return self.names(header) and not self.why_not(header)

    def why_not(self, header: Header) -> str:
        """Why it did not allow to delete one of them; empty if it did."""
        if header.expires_at is None:
            return "this record is kept for ever"
        if header.expires_at > min(self.due_before, self.at):
            return (
                f"retention (record {self.seq}) named it before it was due, which is on "
                f"{header.expires_at:%Y-%m-%d}"
            )
        return why_held(self.holds, header)


@dataclass(frozen=True, slots=True)
class Retained:
    """What was told up to a record.

    Attributes:
        through: the last record that was read.
        holds: those in force, by name.
        released: those that were.
    """

    through: int = 0
    applied: tuple[Applied, ...] = ()
    holds: Mapping[str, Hold] = field(default_factory=dict)
    released: tuple[Hold, ...] = ()

    @property
    def latest(self) -> Applied | None:
        """The retention that may be gone on with: the last one, unless a hold was placed since."""
        last = self.applied[-1] if self.applied else None
        holds = (*self.holds.values(), *self.released)
        return None if last is None or any(hold.seq > last.seq for hold in holds) else last

    def after(self, header: Header, payload: Payload) -> Retained:
        """With one more record. One that cannot be understood tells nothing."""
        try:
            told = _FOLD[header.event_type](self, header, payload)
        except (KeyError, ValueError, TypeError):
            told = self
        return replace(told, through=max(self.through, header.seq))

    def why_held(self, header: Header) -> str:
        """Why a record has to stay now; empty if it need not."""
        return why_held(self.holds.values(), header)


def why_held(holds: Iterable[Hold], header: Header) -> str:
    """Why a record has to stay; empty if it need not."""
    return next(filter(None, (hold.why_held(header) for hold in holds)), "")


class Missing:
    """Judges payloads that are gone, in any order; those of one retention lie together."""

    def __init__(self, retained: Retained, more: Callable[[Retained], Retained] = lambda r: r):
        """``more`` reads what has been recorded since, which may explain what was just deleted."""
        self.retained = retained
        self._more = more
        self._last: Applied | None = None

    def explain(self, header: Header) -> Applied | str:
        """The retention that deleted a payload, or what is wrong with its being gone."""
        found = self._find(header)
        if isinstance(found, str):
            newer = self._more(self.retained)
            if newer.through > self.retained.through:
                self.retained = newer
                found = self._find(header)
        return found

    def _find(self, header: Header) -> Applied | str:
        if header.expires_at is None:
            return f"{MISSING}: this record is kept for ever"
        last = self._last
        if last and last.allows(header):
            return last
        because = ""
        for applied in reversed(self.retained.applied):
            if applied.names(header):
                if not (why := applied.why_not(header)):
                    self._last = applied
                    return applied
                because = because or f": {why}"
        return f"{MISSING}{because}"


def _applied(known: Retained, header: Header, payload: Payload) -> Retained:
    details = payload.details
    ranges: dict[str, list[tuple[int, int]]] = {}
    for one in _rows(details["ranges"]):
        ranges.setdefault(str(one["type"]), []).append((_seq(one["first"]), _seq(one["last"])))
    return replace(
        known,
        applied=(
            *known.applied,
            Applied(
                seq=header.seq,
                at=header.recorded_at,
                due_before=moment(details["due_before"]),
                ranges={kind: tuple(sorted(found)) for kind, found in ranges.items()},
                holds=tuple(known.holds.values()),
            ),
        ),
    )


def _placed(known: Retained, header: Header, payload: Payload) -> Retained:
    details = payload.details
    covered = details["filter"]
    if not isinstance(covered, Mapping):
        raise TypeError("a hold's filter is a table")
    hold = Hold(
        seq=header.seq,
        name=str(details["name"]),
        reason=payload.action_reason,
        filter=HoldFilter.parse(covered),
        by=payload.actor_id or "",
        at=header.recorded_at,
    )
    applied = known.applied
    open_ = details.get("unfinished")
    if isinstance(open_, Mapping):
        begun, reached = _seq(open_["retention"]), _seq(open_["next"])
        applied = tuple(
            replace(one, ended_at=reached) if one.seq == begun and one.ended_at is None else one
            for one in applied
        )
    # Two of one name cannot be; if they are, none of them may be lost.
    name = hold.name if hold.name not in known.holds else f"{hold.name}#{hold.seq}"
    return replace(known, applied=applied, holds={**known.holds, name: hold})


def _extended(known: Retained, _: Header, payload: Payload) -> Retained:
    name = str(payload.details["name"])
    found = tuple(
        (_seq(one["first"]), _seq(one["last"])) for one in _rows(payload.details["found"])
    )
    hold = known.holds[name].extended(_seq(payload.details["looked_at"]), found)
    return replace(known, holds={**known.holds, name: hold})


def _released(known: Retained, header: Header, payload: Payload) -> Retained:
    name = str(payload.details["name"])
    hold = replace(
        known.holds[name],
        released_by=payload.actor_id or "?",
        released_at=header.recorded_at,
        release_reason=payload.action_reason,
    )
    rest = {key: one for key, one in known.holds.items() if key != name}
    return replace(known, holds=rest, released=(*known.released, hold))


def _rows(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    found = [one for one in value if isinstance(one, Mapping)]
    if len(found) < len(value):
        raise TypeError("a table is expected")
    return found


def _seq(value: JsonValue) -> int:
    if type(value) is not int:
        raise TypeError("a record's number is expected")
    return value


_FOLD: Final[Mapping[str, Callable[[Retained, Header, Payload], Retained]]] = {
    EventType.RETENTION_APPLIED: _applied,
    EventType.LEGAL_HOLD_PLACED: _placed,
    EventType.LEGAL_HOLD_EXTENDED: _extended,
    EventType.LEGAL_HOLD_RELEASED: _released,
}
#: What the headers begin with that tell of it; canonical JSON sorts its keys.
PREFIXES: Final = tuple(f'{{"event_type":"{kind!s}"'.encode() for kind in _FOLD)
