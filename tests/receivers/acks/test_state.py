"""The life of a silence: whatever Alertmanager says, in whatever order, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from risk_receivers.acks.silences import Matcher, Silence, SilenceState, ack_matchers
from risk_receivers.acks.state import (
    Change,
    Muting,
    Standing,
    Step,
    missing,
    passed,
    prolonged_end,
    removed,
    seen,
    voided,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MATCHERS: tuple[Matcher, ...] = ack_matchers("drawdown/main", "warning")


def listed(
    ends: datetime = START + 60 * MINUTE,
    state: SilenceState = SilenceState.ACTIVE,
    comment: str = "on it",
) -> Silence:
    return Silence("s1", MATCHERS, START, ends, state, "olga", comment)


def given() -> Muting:
    step = seen(None, listed(), ("warning",), START)
    assert step.change is Change.ACKNOWLEDGED
    return step.muting


def test_a_silence_that_acknowledges_nothing_is_made_and_ends() -> None:
    made = seen(None, listed(), (), START)
    assert (made.change, made.muting.acknowledges) == (Change.MADE, False)
    assert passed(made.muting, START + 60 * MINUTE).change is Change.ENDED


def test_it_lapses_at_its_own_end_even_if_nobody_can_be_asked() -> None:
    assert passed(given(), START + 59 * MINUTE).change is None
    over = passed(given(), START + 61 * MINUTE)
    assert (over.change, over.muting.standing) == (Change.ENDED, Standing.LAPSED)
    assert over.muting.ended_at == START + 60 * MINUTE


def test_one_that_was_ended_early_is_told_from_one_that_ran_out() -> None:
    early = seen(given(), listed(START + 5 * MINUTE, SilenceState.EXPIRED), (), START + 6 * MINUTE)
    assert (early.muting.standing, early.muting.ended_at) == (Standing.REMOVED, START + 5 * MINUTE)
    assert early.muting.ends_at == START + 60 * MINUTE, "until when it was meant to hold"
    late = seen(given(), listed(state=SilenceState.EXPIRED), (), START + 61 * MINUTE)
    assert late.muting.standing is Standing.LAPSED


def test_one_that_is_over_when_it_is_first_seen_ended_then_or_before() -> None:
    for ends, ended in ((5, 5), (60, 6)):
        expired = listed(START + ends * MINUTE, SilenceState.EXPIRED)
        assert seen(None, expired, (), START + 6 * MINUTE).muting.ended_at == START + ended * MINUTE
    at_its_end = seen(None, listed(START + MINUTE), ("warning",), START + MINUTE).muting
    assert (at_its_end.standing, at_its_end.tiers) == (Standing.LAPSED, ())


def test_who_moves_it_and_from_when_is_kept() -> None:
    other = replace(listed(), starts_at=START + MINUTE, author="bob")
    moved = seen(given(), other, (), START + 2 * MINUTE)
    assert moved.change is Change.MOVED
    assert (moved.muting.starts_at, moved.muting.author) == (START + MINUTE, "bob")
    assert moved.muting.risk_id == "drawdown/main"
    assert replace(moved.muting, matchers=MATCHERS[1:]).risk_id == ""


def test_one_that_alertmanager_has_lost_is_over() -> None:
    lost = missing(given(), START + MINUTE)
    assert (lost.change, lost.muting.standing) == (Change.ENDED, Standing.REMOVED)


def test_one_that_is_active_again_counts_again() -> None:
    over = passed(given(), START + 61 * MINUTE).muting
    later = listed(START + 120 * MINUTE)
    back = seen(over, later, (), START + 62 * MINUTE)
    assert (back.change, back.muting.acknowledges) == (Change.ACKNOWLEDGED, True)
    assert back.muting.ended_at is None


def test_a_pending_one_acknowledges_once_it_begins() -> None:
    pending = seen(None, listed(state=SilenceState.PENDING), ("warning",), START).muting
    assert not pending.acknowledges
    waiting = seen(pending, listed(state=SilenceState.PENDING), ("warning",), START)
    assert (waiting.muting, waiting.change) == (pending, None)
    nothing = seen(pending, listed(), (), START + MINUTE)
    assert (nothing.change, nothing.muting.acknowledges) == (Change.MOVED, False)
    begun = seen(pending, listed(), ("warning",), START + MINUTE)
    assert (begun.change, begun.muting.tiers) == (Change.ACKNOWLEDGED, ("warning",))


def test_a_request_waits_for_its_silence_and_fails_without() -> None:
    request = Muting(
        "request:1", Standing.REQUESTED, MATCHERS, START, START + MINUTE, "olga", "on it", START,
        tiers=("warning",), extend_until=START + 9 * MINUTE,
    )  # fmt: skip
    assert passed(request, START + 5 * MINUTE).change is None
    assert missing(request, START + MINUTE - timedelta(microseconds=1)).muting == request
    failed = missing(request, START + MINUTE).muting
    assert (failed.standing, failed.ended_at) == (Standing.FAILED, START + MINUTE)
    found = seen(replace(request, incident="drawdown/main:warning:1"), listed(), (), START + MINUTE)
    assert (found.muting.id, found.muting.tiers) == ("s1", ("warning",))
    assert found.muting.incident == "drawdown/main:warning:1"
    assert found.muting.extend_until == START + 9 * MINUTE


@pytest.mark.parametrize("firing", [True, False])
def test_it_is_prolonged_while_it_fires_and_up_to_its_cap(firing: bool) -> None:
    muting = Muting(
        "s1", Standing.ACTIVE, MATCHERS, START, START + 60 * MINUTE, "olga", "", START,
        tiers=("warning",), extend_until=START + 100 * MINUTE,
    )  # fmt: skip

    def end(now: datetime, one: Muting = muting) -> datetime | None:
        return prolonged_end(one, now, firing=firing, lead=MINUTE, by=30 * MINUTE)

    assert end(START + 58 * MINUTE) is None
    assert end(START + 59 * MINUTE) == (START + 90 * MINUTE if firing else None)
    longer = seen(muting, listed(START + 90 * MINUTE), (), START).muting
    assert end(START + 89 * MINUTE, longer) == (START + 100 * MINUTE if firing else None)
    longest = seen(longer, listed(START + 100 * MINUTE), (), START).muting
    assert end(START + 99.5 * MINUTE, longest) is None
    assert end(START + 59 * MINUTE, given()) is None, "somebody else's end is not moved"
    over = replace(muting, standing=Standing.LAPSED)
    assert end(START + 59 * MINUTE, over) is None


class Life(RuleBasedStateMachine):
    """Alertmanager and the record of one silence, in any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.silence = listed()
        self.muting = given()
        self.changes = [Change.ACKNOWLEDGED]

    def take(self, step: Step) -> None:
        if step.change is not None:
            self.changes.append(step.change)
        self.muting = step.muting

    def listing(self) -> Silence:
        if self.silence.ends_at <= self.now:
            return listed(self.silence.ends_at, SilenceState.EXPIRED)
        return self.silence

    @rule(minutes=st.integers(1, 40))
    def time_goes_on(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @rule()
    def looked_at(self) -> None:
        self.take(seen(self.muting, self.listing(), ("warning",), self.now))

    @rule()
    def cannot_be_asked(self) -> None:
        self.take(passed(self.muting, self.now))

    @precondition(lambda self: self.silence.ends_at > self.now)
    @rule(minutes=st.integers(1, 90))
    def moved_by_somebody(self, minutes: int) -> None:
        self.silence = listed(self.now + minutes * MINUTE)

    @rule()
    def ended_at_alertmanager(self) -> None:
        self.silence = listed(min(self.now, self.silence.ends_at))

    @rule(by_us=st.sampled_from([removed, voided]))
    def ended_here(self, by_us: Callable[[Muting, datetime], Step]) -> None:
        self.silence = listed(min(self.now, self.silence.ends_at))
        self.take(by_us(self.muting, self.now))

    @invariant()
    def over_is_over_at_a_time_that_is_past(self) -> None:
        assert self.muting.standing.is_over == (self.muting.ended_at is not None)
        assert self.muting.ended_at is None or self.muting.ended_at <= self.now

    @invariant()
    def beginnings_and_ends_alternate(self) -> None:
        story = [one for one in self.changes if one is not Change.MOVED]
        assert all(one is not other for one, other in pairwise(story))
        assert (story[-1] is Change.ENDED) == self.muting.standing.is_over

    @invariant()
    def a_look_makes_it_what_alertmanager_says(self) -> None:
        step = seen(self.muting, self.listing(), ("warning",), self.now)
        assert step.muting.acknowledges == (self.silence.ends_at > self.now)
        assert seen(step.muting, self.listing(), ("warning",), self.now).change is None


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase
