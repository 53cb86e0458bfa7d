"""What an alert does to its incident. Pure: values and a time in, values out.

One incident is one episode of one (risk_id, tier). Both feeds, resends, several Alertmanagers
and several Prometheus servers repeat the same alert, with start times of their own: while the
episode is open they are all the same. Two rules keep late repeats from opening or closing an
episode they are not about:

* a resolution counts once, by its ``endsAt``: Prometheus repeats it for 15 minutes, while the
  alert may already fire again;
* a notification about a firing that began before the last counted resolution is late news.
  From the alert feed the same counts as firing: it comes straight from an evaluation.

An alert that arrives resolved without ever having been seen firing did fire, while nobody
listened. It is recorded as an episode of its own, so that nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from risk_policy.vocabulary import Category, Severity
from risk_receivers.intake.alert import Alert, Feed


class State(StrEnum):
    """Where an incident stands."""

    CREATED = "CREATED"
    DISPATCHED = "DISPATCHED"  # the notification feed delivered it: people are told
    RESOLVED = "RESOLVED"
    EXPIRED = "EXPIRED"  # the feed went silent; never to be shown as fine

    @property
    def is_open(self) -> bool:
        """Whether the alert counts as firing."""
        return self in (State.CREATED, State.DISPATCHED)


class Change(StrEnum):
    """What happened to an incident, in the order in which it can happen at once."""

    CREATED = "CREATED"
    ESCALATED = "ESCALATED"
    DISPATCHED = "DISPATCHED"
    RESOLVED = "RESOLVED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Incident:
    """One episode of an alert.

    Attributes:
        ends_at: while open, until when it counts as firing without a repeat; None if nobody
            said. Afterwards, when it ended.
        counted_end: the latest resolution that was counted for this alert before this episode.
        dispatched: whether people were told.
    """

    risk_id: str
    tier: str
    episode: int
    state: State
    alertname: str
    severity: Severity
    category: Category | None
    action: str
    starts_at: datetime
    ends_at: datetime | None
    last_seen_at: datetime
    counted_end: datetime | None = None
    dispatched: bool = False

    @property
    def id(self) -> str:
        """Readable and unique: ``drawdown/main:emergency:1``."""
        return f"{self.risk_id}:{self.tier or 'none'}:{self.episode}"


@dataclass(frozen=True, slots=True)
class Step:
    """An incident after something happened, and what that was; no changes: a mere repeat."""

    incident: Incident
    changes: tuple[Change, ...] = ()

    @property
    def fired_unseen(self) -> bool:
        """Whether this is the first and last that was heard of the episode."""
        return Change.CREATED in self.changes and Change.RESOLVED in self.changes


def on_alert(last: Incident | None, alert: Alert, now: datetime) -> Step:
    """Take in one alert, given the latest incident of its (risk_id, tier)."""
    return _on_firing(last, alert, now) if alert.firing else _on_resolved(last, alert, now)


def on_clock(incident: Incident, now: datetime) -> Step:
    """Let time pass: an open incident whose alert is no longer repeated expires."""
    if not incident.state.is_open or incident.ends_at is None or incident.ends_at >= now:
        return Step(incident)
    return Step(replace(incident, state=State.EXPIRED), (Change.EXPIRED,))


def _on_firing(last: Incident | None, alert: Alert, now: datetime) -> Step:
    notified = alert.feed is Feed.NOTIFICATIONS
    if last is None or not last.state.is_open:
        if last is not None and notified and _is_old_news(last, alert):
            return Step(last)
        opened = _open(last, alert, now)
        if notified:
            opened = replace(opened, state=State.DISPATCHED, dispatched=True)
            return Step(opened, (Change.CREATED, Change.DISPATCHED))
        return Step(opened, (Change.CREATED,))

    changes: list[Change] = []
    severity = last.severity
    if alert.severity.rank > severity.rank:
        severity = alert.severity
        changes.append(Change.ESCALATED)
    state = last.state
    if notified and state is State.CREATED:
        state = State.DISPATCHED
        changes.append(Change.DISPATCHED)
    incident = replace(
        last,
        severity=severity,
        state=state,
        dispatched=last.dispatched or notified,
        ends_at=_later(last.ends_at, alert.ends_at),
        last_seen_at=max(last.last_seen_at, now),
    )
    return Step(incident, tuple(changes))


def _on_resolved(last: Incident | None, alert: Alert, now: datetime) -> Step:
    end = alert.ends_at or now
    if last is None or _is_another_episode(last, alert):
        unseen = replace(_open(last, alert, now), state=State.RESOLVED, ends_at=end)
        return Step(unseen, (Change.CREATED, Change.RESOLVED))
    if last.state is State.RESOLVED:
        # Several Prometheus servers end it at slightly different times; count the latest.
        return Step(replace(last, ends_at=_later(last.ends_at, end)))
    if end < last.starts_at or (last.counted_end is not None and end <= last.counted_end):
        return Step(last)  # about an episode before this one
    resolved = replace(
        last, state=State.RESOLVED, ends_at=end, last_seen_at=max(last.last_seen_at, now)
    )
    return Step(resolved, (Change.RESOLVED,))


def _open(last: Incident | None, alert: Alert, now: datetime) -> Incident:
    return Incident(
        risk_id=alert.risk_id,
        tier=alert.tier,
        episode=last.episode + 1 if last else 1,
        state=State.CREATED,
        alertname=alert.alertname,
        severity=alert.severity,
        category=alert.category,
        action=alert.action,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        last_seen_at=now,
        counted_end=_counted_end(last),
    )


def _counted_end(last: Incident | None) -> datetime | None:
    if last is None:
        return None
    if last.state is State.RESOLVED:
        return _later(last.counted_end, last.ends_at)
    return last.counted_end


def _is_old_news(last: Incident, alert: Alert) -> bool:
    return (
        last.state is State.RESOLVED
        and last.ends_at is not None
        and alert.starts_at <= last.ends_at
    )


def _is_another_episode(last: Incident, alert: Alert) -> bool:
    """Whether a resolution is about an episode that began after the last known one ended."""
    return not last.state.is_open and last.ends_at is not None and alert.starts_at > last.ends_at


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    if first is None or second is None:
        return first or second
    return max(first, second)
