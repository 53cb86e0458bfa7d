"""What an alert does to its incident. Pure: values and a time in, values out.

One incident is one episode of one (risk_id, tier): from the first of its alerts that fires to
the last that ends, the escalated ones included. Both feeds, resends, several Alertmanagers and
several Prometheus servers repeat the same alert, with start times of their own: while the
episode is open they are all the same. What it counts as follows the worst alert that fires.

Only the alert feed ends anything. Alertmanager says "resolved" too when Prometheus has died and
repeats nothing any more; from there it means no more than that nobody need be waited for.

What is no longer repeated expires, and that is not the end of it. If it is repeated again and
began before it expired, it went on all the time: the same episode continues. If it began
later, that is a new one, even if nobody was there to see the old one expire.

A notification about a firing that began before the last counted resolution is late news. From
the alert feed the same counts as firing: it comes straight from an evaluation.

An alert that arrives resolved without ever having been seen firing did fire, while nobody
listened. It is recorded, in the episode it belongs to or as one of its own, so that nothing
is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from risk_policy.vocabulary import Category, Severity
from risk_receivers.incidents.held import (
    HeldAlert,
    Standing,
    Told,
    ended,
    fired,
    given_up,
    hearsay,
    is_another_firing,
    key_of,
    later,
    over,
    unanswered,
    unseen,
)
from risk_receivers.intake.alert import Alert, Feed


class State(StrEnum):
    """Where an incident stands."""

    CREATED = "CREATED"
    DISPATCHED = "DISPATCHED"  # the notification feed delivered it: people are told
    RESOLVED = "RESOLVED"
    EXPIRED = "EXPIRED"  # the feed went silent; never to be shown as fine

    @property
    def is_open(self) -> bool:
        """Whether any of its alerts counts as firing."""
        return self in (State.CREATED, State.DISPATCHED)


class Change(StrEnum):
    """What happened to an incident, in the order in which it can happen at once."""

    CREATED = "CREATED"
    CONTINUED = "CONTINUED"  # it had expired, and is repeated again
    ESCALATED = "ESCALATED"  # an alert began that is worse than all that fire
    DISPATCHED = "DISPATCHED"
    DEESCALATED = "DEESCALATED"  # the worst one is over, milder ones still fire
    RESOLVED = "RESOLVED"
    EXPIRED = "EXPIRED"


class Incident(Struct, frozen=True):
    """One episode of a breach.

    Attributes:
        severity: the worst alert that fires; afterwards, what it counted as in the end.
        ends_at: while open, until when it counts as firing without a repeat; None if nobody
            said. Afterwards, when it ended.
        alerts: every alert there ever was of this (risk_id, tier), the mildest first. Those of
            earlier episodes are kept for what still arrives about them.
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
    alerts: tuple[HeldAlert, ...] = ()

    @property
    def id(self) -> str:
        """Readable and unique: ``drawdown/main:emergency:1``."""
        return f"{self.risk_id}:{self.tier or 'none'}:{self.episode}"

    @property
    def firing(self) -> tuple[HeldAlert, ...]:
        """The alerts that keep it open."""
        return tuple(held for held in self.alerts if held.is_firing)

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody said of one of its alerts that it ended."""
        return any(held.standing is Standing.LAPSED for held in self.alerts)

    @property
    def dispatched(self) -> bool:
        """Whether people were told."""
        return any(held.told for held in self.alerts)

    @property
    def told_severity(self) -> Severity | None:
        """The worst that people were told of it."""
        return _worst(held for held in self.alerts if held.told)

    @property
    def known_severity(self) -> Severity | None:
        """The worst that they need not be told again."""
        return _worst(held for held in self.alerts if held.told.is_known)

    def held(self, alert: Alert) -> HeldAlert | None:
        """What it knows of an alert."""
        return next((held for held in self.alerts if held.key == key_of(alert)), None)


class Step(Struct, frozen=True):
    """An incident after something happened, and what that was; no changes: a mere repeat.

    Attributes:
        closed: the episode before, if this is how it became known that it had expired.
        fired_unseen: an alert is over that was never seen firing.
    """

    incident: Incident
    changes: tuple[Change, ...] = ()
    fired_unseen: bool = False
    closed: Incident | None = None


def on_unanswered(incident: Incident) -> Incident:
    """Nobody has taken it on any more: what comes back worse from now on is told again."""
    return replace(incident, alerts=tuple(unanswered(held) for held in incident.alerts))


def on_alert(last: Incident | None, alert: Alert, now: datetime) -> Step:
    """Take in one alert, given the latest incident of its (risk_id, tier)."""
    if alert.firing:
        return _on_firing(last, alert, now)
    if alert.feed is Feed.NOTIFICATIONS:
        return _on_given_up(last, alert, now)
    return _on_resolved(last, alert, now)


def on_clock(incident: Incident, now: datetime) -> Step:
    """Let time pass: alerts that are no longer repeated lapse, and with the last the incident."""
    lapsed = [held for held in incident.alerts if held.has_lapsed(now)]
    if not incident.state.is_open or not lapsed:
        return Step(incident)
    for held in lapsed:
        incident = _holding(incident, replace(held, standing=Standing.LAPSED))
    if incident.firing:
        return Step(*_weighed(incident, incident.alerts, incident.last_seen_at))
    return Step(replace(incident, state=State.EXPIRED), (Change.EXPIRED,))


def _on_firing(last: Incident | None, alert: Alert, now: datetime) -> Step:
    notified = alert.feed is Feed.NOTIFICATIONS
    if last is not None and notified and _is_old_news(last, alert):
        return Step(last)
    closed: Incident | None = None
    if last is not None and _began_after_the_last_lapsed(last, alert):
        last = closed = on_clock(last, alert.starts_at).incident
    changes: tuple[Change, ...]
    if last is None or not (last.state.is_open or _continues(last, alert)):
        incident, changes = _open(last, alert, now), (Change.CREATED,)
        incident = _holding(incident, fired(incident.held(alert), alert))
    else:
        alerts = _among(last.alerts, fired(last.held(alert), alert))
        incident, changes = _weighed(
            last, alerts if notified else _without_doubt(alerts), max(last.last_seen_at, now)
        )
        if not last.state.is_open:
            state = State.DISPATCHED if last.dispatched else State.CREATED
            incident, changes = replace(incident, state=state), (Change.CONTINUED, *changes)
    if notified and incident.state is State.CREATED:
        incident = replace(incident, state=State.DISPATCHED)
        changes = (*changes, Change.DISPATCHED)
    return Step(incident, changes, closed=closed)


def _on_resolved(last: Incident | None, alert: Alert, now: datetime) -> Step:
    end = alert.ends_at or now
    if last is None:
        return _unseen_episode(None, unseen(alert, end), alert, now)
    before = last.held(alert)
    if before is not None and before.standing is not Standing.ENDED and not alert.is_certain:
        return Step(last)  # it will be repeated, by when the clocks are known
    after = ended(before, alert, end) if before else unseen(alert, end)
    if after is None:
        return Step(last)
    if _is_another_episode(last, alert):
        return _unseen_episode(last, after, alert, now)

    incident = replace(_holding(last, after), last_seen_at=max(last.last_seen_at, now))
    if before is None or is_another_firing(before, alert):
        worse = alert.severity.rank > last.severity.rank
        changes = (Change.ESCALATED, Change.DEESCALATED) if worse else ()
        return Step(_closed_later(incident, end), changes, fired_unseen=True)
    if incident.firing:
        return Step(*_weighed(incident, incident.alerts, incident.last_seen_at))
    if last.state.is_open or (last.state is State.EXPIRED and not incident.is_in_doubt):
        alerts = _without_doubt(incident.alerts)
        incident = replace(incident, alerts=alerts, state=State.RESOLVED, ends_at=end)
        return Step(incident, (Change.RESOLVED,))
    return Step(_closed_later(incident, end))


def _on_given_up(last: Incident | None, alert: Alert, now: datetime) -> Step:
    end = max(alert.ends_at or now, alert.starts_at)
    before = last.held(alert) if last else None
    if last is None:
        return _unseen_episode(None, hearsay(None, alert, end), alert, now)
    if before is not None and not is_another_firing(before, alert):
        incident = _holding(last, given_up(before, end))
        if incident.firing:
            return Step(*_weighed(incident, incident.alerts, incident.last_seen_at))
        return Step(incident)
    held = hearsay(before, alert, end)
    if _is_another_episode(last, alert):
        return _unseen_episode(last, held, alert, now)
    if last.state is State.RESOLVED:  # the alert feed has said that all of it is over
        held = replace(held, standing=Standing.ENDED)
    incident = replace(_holding(last, held), last_seen_at=max(last.last_seen_at, now))
    worse = alert.severity.rank > last.severity.rank
    changes = (Change.ESCALATED, Change.DEESCALATED) if worse else ()
    return Step(_closed_later(incident, end), changes, fired_unseen=True)


def _unseen_episode(last: Incident | None, held: HeldAlert, alert: Alert, now: datetime) -> Step:
    """One that was over, or lapsed, before anything was heard of it."""
    incident = _holding(_open(last, alert, now), replace(held, told=Told.NOTHING))
    over = held.standing is Standing.ENDED
    state, change = (State.RESOLVED, Change.RESOLVED) if over else (State.EXPIRED, Change.EXPIRED)
    incident = replace(incident, state=state, ends_at=held.ends_at)
    return Step(incident, (Change.CREATED, change), fired_unseen=True)


def _worst(alerts: Iterable[HeldAlert]) -> Severity | None:
    severities = [held.severity for held in alerts]
    return max(severities, key=lambda severity: severity.rank, default=None)


def _open(last: Incident | None, alert: Alert, now: datetime) -> Incident:
    """The next episode, which does not hold the alert yet."""
    known = last.alerts if last else ()
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
        alerts=tuple(replace(over(held), told=Told.NOTHING) for held in known),
    )


def _holding(incident: Incident, held: HeldAlert) -> Incident:
    """The incident with what is now known of one of its alerts."""
    return replace(incident, alerts=_among(incident.alerts, held))


def _among(alerts: tuple[HeldAlert, ...], held: HeldAlert) -> tuple[HeldAlert, ...]:
    others = [other for other in alerts if other.key != held.key]
    return tuple(sorted((*others, held), key=lambda one: one.key)) if others else (held,)


def _without_doubt(alerts: tuple[HeldAlert, ...]) -> tuple[HeldAlert, ...]:
    """What had lapsed is over: its feed has spoken since, and not of it."""
    return tuple(over(held) for held in alerts)


def _weighed(
    incident: Incident, alerts: tuple[HeldAlert, ...], last_seen_at: datetime
) -> tuple[Incident, tuple[Change, ...]]:
    """An open incident as the alerts that fire have it, and whether that made it worse."""
    firing = [held for held in alerts if held.is_firing]
    severity = firing[-1].severity  # the mildest comes first
    ends = [held.ends_at for held in firing if held.ends_at is not None]
    ends_at = max(ends) if len(ends) == len(firing) else None
    changes: tuple[Change, ...] = ()
    if severity.rank > incident.severity.rank:
        changes = (Change.ESCALATED,)
    elif severity.rank < incident.severity.rank:
        changes = (Change.DEESCALATED,)
    weighed = replace(
        incident, alerts=alerts, severity=severity, ends_at=ends_at, last_seen_at=last_seen_at
    )
    return weighed, changes


def _closed_later(incident: Incident, end: datetime) -> Incident:
    """Several Prometheus servers end it at slightly different times; the latest counts."""
    if incident.state.is_open:
        return incident
    return replace(incident, ends_at=later(incident.ends_at, end))


def _is_old_news(last: Incident, alert: Alert) -> bool:
    """Whether a notification is about a firing that is known to be over."""
    held = last.held(alert)
    if held is not None and held.is_firing:
        return False
    end = held.counted_end if held else None
    if last.state is State.RESOLVED:
        end = later(end, last.ends_at)
    return end is not None and alert.starts_at <= end


def _began_after_the_last_lapsed(last: Incident, alert: Alert) -> bool:
    """Whether an open episode had expired, unnoticed, by the time its alert fired anew."""
    held = last.held(alert)
    fires_anew = held is not None and held.is_firing and held.has_lapsed(alert.starts_at)
    return fires_anew and all(other.has_lapsed(alert.starts_at) for other in last.firing)


def _continues(last: Incident, alert: Alert) -> bool:
    """Whether what fires had begun before its episode expired."""
    return last.state is State.EXPIRED and not _is_another_episode(last, alert)


def _is_another_episode(last: Incident, alert: Alert) -> bool:
    """Whether an alert is about an episode that began after the last known one ended."""
    return not last.state.is_open and last.ends_at is not None and alert.starts_at > last.ends_at
