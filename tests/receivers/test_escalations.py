"""An incident holds every alert about its breach: open while one fires, as bad as the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from risk_policy.vocabulary import Category, Severity
from risk_receivers.incidents.lifecycle import Change, Incident, State, Step, on_alert, on_clock
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
    kind: Kind, *, feed: Feed = Feed.ALERTS, starts: float, ends: float | None, firing: bool
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


def test_the_end_of_an_escalation_is_not_the_end_of_the_incident() -> None:
    story = breached(TIME)
    assert story.changes == [Change.CREATED, Change.ESCALATED]
    assert story.ends(TIME, 5).changes == (Change.DEESCALATED,)
    assert (story.now.state, story.now.severity) == (State.CREATED, Severity.WARNING)
    assert story.ends(BASE, 6).changes == (Change.RESOLVED,)
    assert story.now.ends_at == at(6)


def test_the_end_of_the_base_alert_leaves_what_is_worse_open() -> None:
    story = breached(OFTEN)
    assert story.ends(BASE, 5).changes == ()
    assert (story.now.state, story.now.severity) == (State.CREATED, Severity.CRITICAL)
    assert story.fires(BASE, 7).changes == (), "the flapping breach is the same incident"
    assert story.ends(BASE, 8, starts=7).changes == ()
    assert story.ends(OFTEN, 9).changes == (Change.RESOLVED,)
    assert story.now.episode == 1


def test_a_trend_that_comes_and_goes_never_opens_an_episode_of_its_own() -> None:
    story = breached()
    for second in range(10, 60, 10):
        story.fires(BASE, second, starts=0)
        assert story.fires(TREND, second).changes == (Change.ESCALATED,)
        assert story.ends(TREND, second + 5, starts=second).changes == (Change.DEESCALATED,)
    assert story.now.episode == 1
    assert story.ends(BASE, 60).changes == (Change.RESOLVED,)


def test_only_what_is_worse_than_everything_that_fires_escalates() -> None:
    story = breached(TIME)
    assert story.fires(OFTEN, 1).changes == (), "critical already, for another reason"
    assert story.ends(TIME, 2).changes == (), "still critical"
    assert story.fires(LATER, 3).changes == (Change.ESCALATED,)
    assert story.ends(LATER, 4, starts=3).changes == (Change.DEESCALATED,)
    assert story.now.severity is Severity.CRITICAL


def test_one_alert_that_is_no_longer_repeated_lapses_alone() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    assert story.passes(13).changes == (Change.DEESCALATED,)
    assert story.now.state is State.CREATED
    assert story.passes(21).changes == ()
    assert story.passes(22).changes == (Change.EXPIRED,)


def test_an_incident_expires_with_the_last_of_its_alerts() -> None:
    story = breached(TIME)
    assert story.passes(LEASE).changes == ()
    assert story.passes(LEASE + 1).changes == (Change.EXPIRED,)
    assert story.now.severity is Severity.CRITICAL, "what it counted as in the end"


def test_an_expired_incident_is_resolved_once_all_that_lapsed_is_known_to_be_over() -> None:
    story = breached(TIME)
    story.passes(LEASE + 1)
    assert story.ends(TIME, 20, end=11).changes == ()
    assert story.now.state is State.EXPIRED
    assert story.ends(BASE, 21, end=11).changes == (Change.RESOLVED,)


def test_what_lapsed_is_over_once_its_feed_speaks_of_others_only() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    story.fires(BASE, 14, starts=0)
    assert story.ends(BASE, 20).changes == (Change.RESOLVED,)
    assert not story.now.is_in_doubt


def test_an_alert_that_lapsed_long_ago_keeps_no_incident_in_doubt() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    story.fires(BASE, 14, starts=0)
    story.passes(27)
    assert story.now.state is State.EXPIRED
    assert story.ends(BASE, 30, end=20).changes == (Change.RESOLVED,)

    earlier = breached(TIME)
    earlier.passes(13)
    earlier.fires(BASE, 20)
    earlier.passes(33)
    assert earlier.ends(BASE, 40, starts=20, end=30).changes == (Change.RESOLVED,)


def test_the_end_of_the_last_alert_is_the_end_even_if_another_lapsed_before() -> None:
    story = breached(TIME)
    story.fires(BASE, 9, starts=0)
    story.passes(13)
    assert story.ends(BASE, 14).changes == (Change.RESOLVED,)
    assert not story.now.is_in_doubt


def test_a_resolution_from_before_the_alert_fired_again_ends_nothing() -> None:
    story = breached()
    story.passes(13)
    story.fires(BASE, 20)
    assert story.ends(BASE, 21, end=11).changes == ()
    assert story.now.firing


def test_the_latest_of_several_ends_is_when_it_was_over() -> None:
    story = breached()
    story.ends(BASE, 5)
    assert story.ends(BASE, 8, end=7).changes == ()
    assert story.now.ends_at == at(7)
    assert story.told(TIME, 9, starts=6).changes == ()


def test_an_escalation_that_came_and_went_unheard_is_recorded_in_its_incident() -> None:
    story = breached()
    step = story.ends(TIME, 9, starts=3, end=8)
    assert step.changes == (Change.ESCALATED, Change.DEESCALATED)
    assert step.fired_unseen
    assert story.now.severity is Severity.WARNING
    assert not story.ends(TIME, 10, starts=3, end=8).fired_unseen
    story.ends(BASE, 11)
    again = story.ends(TIME, 14, starts=12, end=13)
    assert again.changes == (Change.CREATED, Change.RESOLVED)


def test_an_escalation_is_unheard_again_and_even_after_the_end() -> None:
    story = breached(TIME)
    story.ends(TIME, 5)
    again = story.ends(TIME, 9, starts=7, end=8)
    assert again.changes == (Change.ESCALATED, Change.DEESCALATED)
    story.ends(BASE, 11)
    late = story.ends(LATER, 12, starts=4, end=8)
    assert late.changes == (Change.ESCALATED, Change.DEESCALATED)
    assert (story.now.state, story.now.episode) == (State.RESOLVED, 1)


def test_a_late_notification_about_an_escalation_that_is_over_revives_nothing() -> None:
    story = breached(TIME)
    story.ends(TIME, 5)
    before = story.now
    assert story.told(TIME, 6, starts=0).incident == before
    story.ends(BASE, 7)
    for kind in (BASE, TIME, OFTEN):
        assert story.told(kind, 8, starts=0).changes == ()
    assert story.told(TIME, 9, starts=8).changes == (Change.CREATED, Change.DISPATCHED)


def test_what_people_were_told_is_kept_until_the_next_episode() -> None:
    story = breached(TIME)
    assert story.now.told_severity is None
    story.told(BASE, 1, starts=0)
    assert story.now.told_severity is Severity.WARNING
    story.told(TIME, 2, starts=0)
    story.ends(TIME, 3)
    story.ends(BASE, 4)
    assert story.now.told_severity is Severity.CRITICAL
    story.fires(BASE, 5)
    assert story.now.told_severity is None


arrivals = st.builds(
    lambda kind, feed, firing, starts, length: alert(
        kind,
        feed=feed,
        starts=starts,
        ends=None if firing and feed is Feed.NOTIFICATIONS else starts + length,
        firing=firing,
    ),
    st.sampled_from(KINDS),
    st.sampled_from(list(Feed)),
    st.booleans(),
    st.integers(0, 50),
    st.integers(0, 20),
)
LEGAL = {
    (State.CREATED, State.DISPATCHED),
    (State.CREATED, State.RESOLVED),
    (State.DISPATCHED, State.RESOLVED),
    (State.CREATED, State.EXPIRED),
    (State.DISPATCHED, State.EXPIRED),
    (State.EXPIRED, State.RESOLVED),
    (State.EXPIRED, State.CREATED),
    (State.EXPIRED, State.DISPATCHED),
}


def holds_together(incident: Incident) -> None:
    """What is true of every incident."""
    firing = incident.firing
    assert incident.state.is_open == bool(firing)
    keys = [held.key for held in incident.alerts]
    assert keys == sorted(set(keys))
    if firing:
        assert incident.severity is max((held.severity for held in firing), key=lambda s: s.rank)
        ends = [held.ends_at for held in firing if held.ends_at]
        assert incident.ends_at == (max(ends) if len(ends) == len(firing) else None)
    else:
        assert incident.is_in_doubt == (incident.state is State.EXPIRED)


def follows(last: Incident | None, step: Step, reached: set[tuple[int, Change]]) -> None:
    """What is true of every step."""
    now = step.incident
    assert step.closed is None or Change.CREATED in step.changes
    if step.closed is not None and last is not None:
        assert (step.closed.id, step.closed.state) == (last.id, State.EXPIRED)
        holds_together(step.closed)
        last = step.closed
    moves = [c for c in step.changes if c not in (Change.ESCALATED, Change.DEESCALATED)]
    for change in moves:
        if change is Change.CONTINUED:
            reached.discard((now.episode, Change.EXPIRED))
            continue
        assert (now.episode, change) not in reached, "a status was reached twice"
        reached.add((now.episode, change))
    if last is None or now.episode != last.episode:
        assert Change.CREATED in step.changes
        assert now.episode == (last.episode + 1 if last else 1)
        assert last is None or not last.state.is_open
        return
    assert now.state is last.state or (last.state, now.state) in LEGAL
    assert (now.state is last.state) == (not moves)
    rise = now.severity.rank - last.severity.rank
    worse, better = (c in step.changes for c in (Change.ESCALATED, Change.DEESCALATED))
    assert (worse and not better) == (rise > 0)
    assert (better and not worse) == (rise < 0)


@given(st.lists(st.tuples(arrivals, st.booleans()), max_size=40))
def test_whatever_arrives_every_incident_holds_together_and_every_change_is_legal(
    script: list[tuple[Alert, bool]],
) -> None:
    last: Incident | None = None
    reached: set[tuple[int, Change]] = set()
    for second, (arrival, tick) in enumerate(script):
        now = at(second)
        step = on_alert(last, arrival, now)
        follows(last, step, reached)
        holds_together(step.incident)
        again = on_alert(step.incident, arrival, now)
        assert again == Step(step.incident), "a duplicate changes nothing"
        if arrival.firing and arrival.feed is Feed.ALERTS:
            assert step.incident.held(arrival) in step.incident.firing
        last = step.incident
        if tick:
            step = on_clock(last, now)
            follows(last, step, reached)
            holds_together(step.incident)
            assert not any(held.has_lapsed(now) for held in step.incident.alerts)
            last = step.incident


@dataclass(frozen=True)
class Firing:
    """One alert from its beginning to its end, in seconds."""

    kind: Kind
    starts: int
    ends: int

    def covers(self, second: int) -> bool:
        return self.starts <= second < self.ends


@st.composite
def worlds(draw: st.DrawFn) -> list[Firing]:
    """What really happens: every kind begins at even seconds and ends at odd ones."""
    found: list[Firing] = []
    for kind in KINDS:
        moments = sorted(draw(st.sets(st.integers(0, 20), max_size=6)))
        for first, second in list(pairwise(moments))[::2]:
            found.append(Firing(kind, 2 * first, 2 * second - 1))
    return found


@given(worlds(), st.randoms(use_true_random=False))
def test_late_repeats_and_duplicates_in_any_order_tell_the_true_story(
    world: list[Firing], chance: Random
) -> None:
    """Prometheus repeats everything each second; Alertmanagers come late and more than once."""
    story = Story()
    episodes = 0
    for second in range(45):
        active = [firing for firing in world if firing.covers(second)]
        if active and not any(firing.covers(second - 1) for firing in world):
            episodes += 1
        sent: list[Alert] = []
        for one in world:
            over = one.ends <= second
            if one.starts > second:
                continue
            end = one.ends if over else second + LEASE
            sent.append(alert(one.kind, starts=one.starts, ends=end, firing=not over))
            for firing in (True, False)[: 1 + over]:
                late = alert(
                    one.kind,
                    feed=Feed.NOTIFICATIONS,
                    starts=one.starts,
                    ends=None if firing else one.ends,
                    firing=firing,
                )
                sent += [late] * chance.randrange(3)
        chance.shuffle(sent)
        for arrival in sent:
            story.take(arrival, second)
        if story.incident is None:
            assert not active
            continue
        story.passes(second)
        assert story.now.state.is_open == bool(active)
        assert story.now.episode == episodes
        if active:
            worst = max((one.kind[0] for one in active), key=lambda severity: severity.rank)
            assert story.now.severity is worst
    assert story.changes.count(Change.CREATED) == story.changes.count(Change.RESOLVED) == episodes
    assert Change.EXPIRED not in story.changes
