"""Alerts about one breach, and its incident as one after another arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from risk_policy.vocabulary import Category, Severity
from risk_receivers.incidents.lifecycle import Change, Incident, Step, on_alert, on_clock
from risk_receivers.intake.alert import Alert, Feed

START = datetime(2026, 1, 1, tzinfo=UTC)
#: How long a firing alert counts as firing without a repeat.
LEASE = 12

Kind = tuple[Severity, str]
BASE: Kind = (Severity.WARNING, "none")
TIME: Kind = (Severity.CRITICAL, "time")
LATER: Kind = (Severity.EMERGENCY, "time")
OFTEN: Kind = (Severity.CRITICAL, "frequency")
TREND: Kind = (Severity.EMERGENCY, "trend")
KINDS: Sequence[Kind] = (BASE, TIME, LATER, OFTEN, TREND)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def alert(
    kind: Kind = BASE,
    *,
    feed: Feed = Feed.ALERTS,
    starts: float = 0,
    ends: float | None = None,
    firing: bool = True,
) -> Alert:
    severity, escalation = kind
    return Alert(
        feed=feed,
        firing=firing,
        alertname="DRAWDOWN_WARNING",
        risk_id="drawdown/main",
        tier="warning",
        severity=severity,
        category=Category.DRAWDOWN,
        action="notify",
        starts_at=at(starts),
        ends_at=None if ends is None else at(ends),
        labels={"escalation": escalation},
    )


class Story:
    """An incident as one thing after another happens to it."""

    def __init__(self) -> None:
        self.incident: Incident | None = None
        self.changes: list[Change] = []

    def fires(self, kind: Kind, now: float, starts: float | None = None) -> Step:
        begin = now if starts is None else starts
        return self.take(alert(kind, starts=begin, ends=now + LEASE, firing=True), now)

    def told(self, kind: Kind, now: float, starts: float) -> Step:
        notification = alert(kind, feed=Feed.NOTIFICATIONS, starts=starts, ends=None, firing=True)
        return self.take(notification, now)

    def ends(self, kind: Kind, now: float, starts: float = 0, end: float | None = None) -> Step:
        moment = now if end is None else end
        return self.take(alert(kind, starts=starts, ends=moment, firing=False), now)

    def passes(self, now: float) -> Step:
        assert self.incident is not None
        return self._note(on_clock(self.incident, at(now)))

    def take(self, arrival: Alert, now: float) -> Step:
        return self._note(on_alert(self.incident, arrival, at(now)))

    def _note(self, step: Step) -> Step:
        self.incident = step.incident
        self.changes += step.changes
        return step

    @property
    def now(self) -> Incident:
        assert self.incident is not None
        return self.incident


def breached(*kinds: Kind) -> Story:
    story = Story()
    for kind in (BASE, *kinds):
        story.fires(kind, 0)
    return story
