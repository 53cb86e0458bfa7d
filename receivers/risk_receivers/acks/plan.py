"""What has to be written down, given what Alertmanager lists and what was known. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from risk_receivers.acks.client import Listing
from risk_receivers.acks.guard import excess
from risk_receivers.acks.silences import Breach, Silence, acknowledged
from risk_receivers.acks.state import Change, Muting, Standing, Step, missing, passed, seen


@dataclass(frozen=True, slots=True)
class Planned:
    """A silence before and after, and what happened to it in between.

    Attributes:
        covers_kill: whether what is too much about it includes an alert that trips the kill
            switch.
    """

    before: Muting | None
    after: Muting
    change: Change | None = None
    covers_kill: bool = False

    @property
    def grew_too_broad(self) -> bool:
        """Whether it mutes too much and nobody knows of that yet."""
        return bool(self.after.excess) and not (self.before and self.before.excess)

    @property
    def lost_ack(self) -> bool:
        """Whether an acknowledgement ends with this."""
        before = self.before
        return before is not None and before.acknowledges and not self.after.acknowledges


@dataclass(frozen=True, slots=True)
class Seen:
    """What Alertmanager said; ``gone`` are ids of which it says that they do not exist."""

    silences: tuple[Silence, ...] = ()
    gone: frozenset[str] = frozenset()


def unaccounted(known: Mapping[str, Muting], listing: Listing) -> list[str]:
    """Ids on record that a listing leaves out; they have to be asked for by name."""
    listed = {silence.id for silence in listing.silences} | listing.unreadable
    return [
        muting.id
        for muting in known.values()
        if not muting.standing.is_over
        and muting.standing is not Standing.REQUESTED
        and muting.id not in listed
    ]


def plan(
    known: Mapping[str, Muting], said: Seen, firing: Sequence[Breach], now: datetime
) -> list[Planned]:
    """Everything that is new."""
    requested = [one for one in known.values() if one.standing is Standing.REQUESTED]
    found = list(_of_listed(known, requested, said, firing, now))
    touched = {one.before.id for one in found if one.before}
    for before in known.values():
        if before.standing.is_over or before.id in touched:
            continue
        absent = before.id in said.gone or before.standing is Standing.REQUESTED
        step = missing(before, now) if absent else passed(before, now)
        found.append(_judged(before, step, firing))
    return [one for one in found if one.after != one.before or one.change is not None]


def of_step(before: Muting | None, step: Step, firing: Sequence[Breach]) -> list[Planned]:
    """What one step makes necessary."""
    planned = _judged(before, step, firing)
    return [planned] if planned.after != before or planned.change is not None else []


def prolonged(muting: Muting, new_id: str, end: datetime, now: datetime) -> list[Planned]:
    """The same acknowledgement with a later end, whichever id Alertmanager gave it."""
    after = replace(muting, id=new_id, ends_at=end)
    if new_id == muting.id:
        return [Planned(muting, after, Change.MOVED)]
    replaced = replace(muting, standing=Standing.REMOVED, ended_at=now)
    return [
        Planned(None, replaced),
        Planned(replace(muting, id=new_id), after, Change.MOVED),
    ]


def _of_listed(
    known: Mapping[str, Muting],
    requested: list[Muting],
    said: Seen,
    firing: Sequence[Breach],
    now: datetime,
) -> Iterator[Planned]:
    for silence in said.silences:
        before = known.get(silence.id)
        if before is None:
            before = next((one for one in requested if _is_for(silence, one)), None)
            if before is not None:
                requested.remove(before)
        step = seen(before, silence, acknowledged(silence.matchers, firing), now)
        yield _judged(before, step, firing)


def _is_for(silence: Silence, request: Muting) -> bool:
    """Whether a silence nobody knew is the one that was asked for."""
    return (
        set(silence.matchers) == set(request.matchers)
        and silence.author == request.author
        and silence.comment == request.comment
    )


def _judged(before: Muting | None, step: Step, firing: Sequence[Breach]) -> Planned:
    after = step.muting
    if after.tiers and not after.incident:
        covered = [
            one for one in firing if one.risk_id == after.risk_id and one.tier in after.tiers
        ]
        worst = max(covered, key=lambda breach: breach.rank, default=None)
        after = replace(after, incident=worst.incident if worst else "")
    if after.standing.is_over or after.standing is Standing.REQUESTED:
        return Planned(before, after, step.change)
    too_much = excess(after.matchers, after.tiers, firing)
    after = replace(after, excess=too_much.reasons)
    return Planned(before, after, step.change, too_much.covers_kill)
