"""Whatever arrives and in whatever order, an incident tells the true story."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from incident_story import (
    KINDS,
    LEASE,
    Kind,
    Story,
    alert,
    at,
)

from risk_receivers.incidents.lifecycle import Change, Incident, State, Step, on_alert, on_clock
from risk_receivers.intake.alert import Alert, Feed

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
