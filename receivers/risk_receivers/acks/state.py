"""The life of a silence, and of the acknowledgement that it may be. Pure: values in, values out.

    REQUESTED ──▶ ACTIVE ──▶ LAPSED    its time is over
        │          ▲  │ └──▶ REMOVED   somebody ended it early, or Alertmanager lost it
        ▼          │  └────▶ VOIDED    what it mutes became worse than what was acknowledged
     FAILED     PENDING

Nothing is forgotten while Alertmanager cannot be asked: what was active stays active until its
own end. And Alertmanager is right in the end: what it lists as active is active again, whatever
was believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from risk_receivers.acks.silences import Matcher, Silence, SilenceState, named_risk_id

#: How long a request may be without its silence before it counts as failed.
REQUEST_PATIENCE: Final = timedelta(seconds=60)


class Standing(StrEnum):
    """Where a silence stands."""

    REQUESTED = "REQUESTED"  # about to be made; Alertmanager has not confirmed it
    PENDING = "PENDING"  # it begins later
    ACTIVE = "ACTIVE"
    LAPSED = "LAPSED"
    REMOVED = "REMOVED"
    VOIDED = "VOIDED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        """Whether it mutes nothing any more."""
        return self in (Standing.LAPSED, Standing.REMOVED, Standing.VOIDED, Standing.FAILED)


class Change(StrEnum):
    """What happened to it."""

    MADE = "MADE"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    MOVED = "MOVED"  # its end or its words are others than before
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Muting:
    """A silence as it is on record.

    Attributes:
        tiers: what it acknowledges of its ``risk_id``; none if it is no acknowledgement.
        incident: the worst incident that was open when it was given.
        extend_until: it is prolonged up to this time while its incident is open; None if its
            end is nobody's to move.
        ended_at: when it stopped to mute.
        excess: what is too much about it, in words.
    """

    id: str
    standing: Standing
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str
    made_at: datetime
    tiers: tuple[str, ...] = ()
    incident: str = ""
    extend_until: datetime | None = None
    ended_at: datetime | None = None
    excess: tuple[str, ...] = ()

    @property
    def risk_id(self) -> str:
        """What it is about, if that is one thing."""
        return named_risk_id(self.matchers) or ""

    @property
    def acknowledges(self) -> bool:
        """Whether it is an acknowledgement that holds."""
        return self.standing is Standing.ACTIVE and bool(self.tiers)


@dataclass(frozen=True, slots=True)
class Step:
    """A silence after something happened, and what that was; no change: nothing new."""

    muting: Muting
    change: Change | None = None


def seen(before: Muting | None, silence: Silence, tiers: tuple[str, ...], now: datetime) -> Step:
    """Alertmanager lists it. ``tiers`` is what it would acknowledge if it were given now."""
    standing = _standing(silence, before, now)
    if before is None or before.standing is Standing.REQUESTED:
        return _first(before, silence, standing, tiers, now)
    ended_at = min(silence.ends_at, now) if standing.is_over else None
    muting = replace(
        before,
        standing=standing,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        author=silence.author,
        comment=silence.comment,
        ended_at=before.ended_at if before.standing.is_over and standing.is_over else ended_at,
    )
    if before.standing.is_over:
        if standing.is_over:
            return Step(before)
        return Step(muting, Change.ACKNOWLEDGED if muting.tiers else Change.MADE)
    if standing.is_over:
        # Its end says when it ended; until when it was meant to hold is what was known before.
        return Step(replace(muting, ends_at=before.ends_at), Change.ENDED)
    if before.standing is Standing.PENDING and standing is Standing.ACTIVE and tiers:
        return Step(replace(muting, tiers=tiers), Change.ACKNOWLEDGED)
    return Step(muting, Change.MOVED if muting != before else None)


def missing(before: Muting, now: datetime) -> Step:
    """Alertmanager says that there is no such silence."""
    if before.standing is Standing.REQUESTED:
        if now < before.made_at + REQUEST_PATIENCE:
            return Step(before)
        return Step(replace(before, standing=Standing.FAILED, ended_at=now))
    return _over(before, Standing.REMOVED, now)


def passed(before: Muting, now: datetime) -> Step:
    """Time goes on, whether or not Alertmanager can be asked."""
    if before.standing is Standing.REQUESTED or before.ends_at > now:
        return Step(before)
    return _over(before, Standing.LAPSED, before.ends_at)


def removed(before: Muting, now: datetime) -> Step:
    """Somebody took it back, and Alertmanager has confirmed it."""
    return _over(before, Standing.REMOVED, now)


def voided(before: Muting, now: datetime) -> Step:
    """It was ended because what it mutes became worse than what was acknowledged."""
    return _over(before, Standing.VOIDED, now)


def prolonged_end(
    muting: Muting, now: datetime, *, firing: bool, lead: timedelta, by: timedelta
) -> datetime | None:
    """The end it is to have instead of its own; None if that is right as it is."""
    if not muting.acknowledges or muting.extend_until is None or not firing:
        return None
    if muting.ends_at - now > lead:
        return None
    end = min(muting.ends_at + by, muting.extend_until)
    return end if end > muting.ends_at else None


def _first(
    before: Muting | None,
    silence: Silence,
    standing: Standing,
    tiers: tuple[str, ...],
    now: datetime,
) -> Step:
    given = before.tiers if before else tiers
    active = standing is Standing.ACTIVE
    muting = Muting(
        id=silence.id,
        standing=standing,
        matchers=silence.matchers,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        author=silence.author,
        comment=silence.comment,
        made_at=before.made_at if before else now,
        tiers=given if active else (),
        incident=before.incident if before else "",
        extend_until=before.extend_until if before else None,
        ended_at=min(silence.ends_at, now) if standing.is_over else None,
    )
    return Step(muting, Change.ACKNOWLEDGED if muting.tiers else Change.MADE)


def _standing(silence: Silence, before: Muting | None, now: datetime) -> Standing:
    if silence.state is SilenceState.PENDING:
        return Standing.PENDING
    if silence.state is SilenceState.ACTIVE:
        # Alertmanager's clock may be behind ours, by which it would lapse again at once.
        return Standing.ACTIVE if silence.ends_at > now else Standing.LAPSED
    meant = before.ends_at if before else silence.ends_at
    return Standing.REMOVED if silence.ends_at < meant else Standing.LAPSED


def _over(before: Muting, standing: Standing, at: datetime) -> Step:
    if before.standing.is_over:
        return Step(before)
    return Step(replace(before, standing=standing, ended_at=at), Change.ENDED)
