"""One of the alerts that an incident holds. Pure.

A breach is one incident and may be several alerts at once: the one of its tier, and those that
say that it counts as worse, because nobody answers, because it keeps coming back or because of
where it is heading. They begin and end each for itself, and each is told from the others by
what it counts as and why. Repeats of one of them, whoever sends them, are the same one.

A resolution counts once, by its ``endsAt``: Prometheus repeats it for 15 minutes, while the
alert may already fire again. Only the alert feed's counts: Alertmanager also says "resolved" of
what a dead Prometheus has stopped repeating, and cannot tell the two apart.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

from msgspec import Struct
from msgspec.structs import replace

from risk_policy.vocabulary import Severity
from risk_receivers.intake.alert import Alert, Feed


class Standing(StrEnum):
    """What is known of an alert that was seen firing."""

    FIRING = "FIRING"
    ENDED = "ENDED"
    LAPSED = "LAPSED"  # it was not repeated in time; nobody who knows said that it ended


class Told(IntEnum):
    """What the notification feed has had people told of an alert in this episode."""

    NOTHING = 0
    FIRING = 1
    OVER = 2  # or that Alertmanager has stopped hearing of it
    STALE = 3  # it was over when nobody answered for its incident any more: it would be news again

    @property
    def is_known(self) -> bool:
        """Whether people need not be told that it fires."""
        return self in (Told.FIRING, Told.OVER)


class HeldAlert(Struct, frozen=True):
    """An alert of an incident.

    Attributes:
        escalation: why it counts as worse than its tier, as written; ``none`` if it does not.
        ends_at: while firing, until when that holds without a repeat; None if nobody said.
            Afterwards, when it ended.
        counted_end: the latest resolution that was counted for it, in any episode.
    """

    severity: Severity
    escalation: str
    standing: Standing
    starts_at: datetime
    ends_at: datetime | None
    counted_end: datetime | None = None
    told: Told = Told.NOTHING

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from the other alerts of its incident; the mildest comes first."""
        return (self.severity.rank, self.escalation)

    @property
    def is_firing(self) -> bool:
        """Whether it keeps its incident open."""
        return self.standing is Standing.FIRING

    def has_lapsed(self, now: datetime) -> bool:
        """Whether it should have been repeated by now."""
        return self.is_firing and self.ends_at is not None and self.ends_at < now

    def has_counted(self, end: datetime) -> bool:
        """Whether a resolution is one that was counted, or an older one."""
        return self.counted_end is not None and end <= self.counted_end


def key_of(alert: Alert) -> tuple[int, str]:
    """Which of its incident's alerts this is."""
    return (alert.severity.rank, alert.escalation)


def fired(before: HeldAlert | None, alert: Alert) -> HeldAlert:
    """It fires: for the first time, again or still."""
    told = before.told if before else Told.NOTHING
    if alert.feed is Feed.NOTIFICATIONS or _was_told_before_it_lapsed(before):
        told = Told.FIRING
    if before is not None and before.is_firing:
        return replace(before, ends_at=later(before.ends_at, alert.ends_at), told=told)
    return HeldAlert(
        severity=alert.severity,
        escalation=alert.escalation,
        standing=Standing.FIRING,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        counted_end=before.counted_end if before else None,
        told=told,
    )


def unseen(alert: Alert, end: datetime) -> HeldAlert:
    """It is over, and nobody had ever heard of it."""
    return HeldAlert(
        severity=alert.severity,
        escalation=alert.escalation,
        standing=Standing.ENDED,
        starts_at=alert.starts_at,
        ends_at=end,
        counted_end=_counted(None, alert, end),
    )


def ended(before: HeldAlert, alert: Alert, end: datetime) -> HeldAlert | None:
    """It is over, whether this firing of it was seen or not; None if that is nothing new."""
    starts_at = alert.starts_at if is_another_firing(before, alert) else before.starts_at
    if before.has_counted(end) or end < starts_at:
        return None
    counted = _counted(before.counted_end, alert, end)
    return replace(
        before, standing=Standing.ENDED, starts_at=starts_at, ends_at=end, counted_end=counted
    )


def _counted(before: datetime | None, alert: Alert, end: datetime) -> datetime | None:
    """The latest resolution that counts.

    An end that is not certain may be that of a lease which is renewed. It counts for none, or the
    real one, which is earlier, would count for an old one.
    """
    return end if alert.is_certain else before


def hearsay(before: HeldAlert | None, alert: Alert, end: datetime) -> HeldAlert:
    """Alertmanager says of a firing that nobody had heard of that it is over, or lapsed."""
    return HeldAlert(
        severity=alert.severity,
        escalation=alert.escalation,
        standing=Standing.LAPSED,
        starts_at=alert.starts_at,
        ends_at=end,
        counted_end=before.counted_end if before else None,
        told=_no_longer_heard_of(before.told) if before else Told.NOTHING,
    )


def given_up(before: HeldAlert, end: datetime) -> HeldAlert:
    """Alertmanager no longer counts it as firing. What the alert feed says of it still holds."""
    if end < before.starts_at:
        return before
    forever = before.is_firing and before.ends_at is None
    return replace(
        before,
        ends_at=end if forever else before.ends_at,
        told=_no_longer_heard_of(before.told),
    )


def unanswered(held: HeldAlert) -> HeldAlert:
    """Nobody answers for its incident any more; what fires goes on being known."""
    is_over = held.told.is_known and not held.is_firing
    return replace(held, told=Told.STALE) if is_over else held


def is_another_firing(before: HeldAlert, alert: Alert) -> bool:
    """Whether a resolution is about a firing that began after the last known one was over."""
    return not before.is_firing and before.ends_at is not None and alert.starts_at > before.ends_at


def over(held: HeldAlert) -> HeldAlert:
    """One that lapsed is over after all: its feed speaks of others and no longer of it."""
    return replace(held, standing=Standing.ENDED) if held.standing is Standing.LAPSED else held


def later(first: datetime | None, second: datetime | None) -> datetime | None:
    """The later of two times that may be missing."""
    if first is None or second is None:
        return first or second
    return max(first, second)


def _was_told_before_it_lapsed(before: HeldAlert | None) -> bool:
    return before is not None and before.standing is Standing.LAPSED and before.told.is_known


def _no_longer_heard_of(told: Told) -> Told:
    return Told.OVER if told.is_known else told
