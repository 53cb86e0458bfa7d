"""The latch: whatever happens in whatever order, clearing alone loosens it and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from risk_policy.vocabulary import KillMode
from risk_receivers.kill.board import fold
from risk_receivers.kill.switch import (
    EventKind,
    KillEvent,
    KillSwitch,
    Phase,
    Trigger,
    tightest,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
modes = st.sampled_from(list(KillMode))
accounts = st.sampled_from(["one", "two", "three"])
keys = st.sampled_from([f"incident:{number}" for number in range(6)])


def trigger(key: str = "a", mode: KillMode = KillMode.GRACEFUL, kill_id: str = "") -> Trigger:
    return Trigger(key, kill_id or f"kill-{key}", mode, f"cause {key}", "emergency", NOW)


def pulled(state: KillSwitch, pull: Trigger) -> tuple[KillSwitch, EventKind | None]:
    event = state.on_trigger(pull)
    return (state, None) if event is None else (state.after(event), event.kind)


def test_the_first_trigger_trips_it() -> None:
    state, kind = pulled(KillSwitch(), trigger("a"))
    assert kind is EventKind.TRIPPED
    assert (state.phase, state.mode, state.kill_id) == (Phase.TRIPPED, KillMode.GRACEFUL, "kill-a")
    assert state.restriction is not None
    assert state.restriction.cause == "cause a"


def test_a_tighter_trigger_tightens_the_same_kill() -> None:
    state, _ = pulled(KillSwitch(), trigger("a", KillMode.PAUSE))
    state, kind = pulled(state, trigger("b", KillMode.IMMEDIATE))
    assert kind is EventKind.TIGHTENED
    assert (state.mode, state.kill_id) == (KillMode.IMMEDIATE, "kill-a")


def test_a_trigger_that_is_no_tighter_is_recorded_and_changes_nothing() -> None:
    tripped, _ = pulled(KillSwitch(), trigger("a", KillMode.IMMEDIATE))
    for mode in KillMode:
        state, kind = pulled(tripped, trigger("b", mode))
        assert kind is EventKind.TRIGGER_RECORDED
        assert state.mode is KillMode.IMMEDIATE
    assert tripped.would_loosen(KillMode.PAUSE)
    assert not tripped.would_loosen(KillMode.IMMEDIATE)


def test_the_same_trigger_is_recorded_once() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    assert pulled(state, trigger("a", KillMode.IMMEDIATE)) == (state, None)


def test_only_the_kill_in_force_can_be_closing_or_flat() -> None:
    assert KillSwitch().on_flat("", "main", NOW) is None
    assert KillSwitch().on_closing("", "main", NOW) is None
    assert KillSwitch().on_account("main", NOW) is None
    state, _ = pulled(KillSwitch(), trigger("a"))
    assert state.on_flat("kill-b", "main", NOW) is None
    assert state.on_closing("kill-b", "main", NOW) is None


def test_it_is_flat_once_every_account_is() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    for happened in (
        state.on_closing("kill-a", "one", NOW),
        state.on_account("two", NOW),
        state.on_flat("kill-a", "one", NOW),
    ):
        assert happened is not None
        state = state.after(happened)
    assert (state.phase, state.waiting, state.flat_at) == (Phase.CLOSING, {"two"}, None)
    flat = state.on_flat("kill-a", "two", NOW)
    assert flat is not None
    state = state.after(flat)
    assert (state.phase, state.waiting, state.flat_at) == (Phase.FLAT_CONFIRMED, set(), NOW)

    again = state.on_account("three", NOW)
    assert again is not None
    open_again = state.after(again)
    assert open_again.phase is Phase.CLOSING, "it was flat only as far as anybody knew"
    assert open_again.flat_at is None


def test_a_position_that_is_closed_after_all_was_flat_ends_that() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    flat = state.on_flat("kill-a", "one", NOW)
    assert flat is not None
    state = state.after(flat)
    assert state.on_closing("kill-a", "one", NOW) is None, "the final sweep finds nothing"
    earlier, later = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert state.on_closing("kill-a", "one", NOW, held_at=earlier) is None, "late news"
    assert state.on_closing("kill-a", "one", NOW, held_at=NOW) is None
    closed = state.on_closing("kill-a", "one", NOW, held_at=later)
    assert closed is not None
    assert state.after(closed).phase is Phase.CLOSING
    assert state.after(closed).on_flat("kill-a", "one", NOW) is not None


def happened(state: KillSwitch, event: KillEvent | None) -> KillSwitch:
    assert event is not None
    return state.after(event)


def test_only_the_kill_in_force_can_be_cleared_and_then_it_is_armed() -> None:
    assert KillSwitch().on_clear("", NOW) is None
    state, _ = pulled(KillSwitch(), trigger("a", KillMode.IMMEDIATE))
    assert state.on_clear("kill-b", NOW) is None
    state = happened(state, state.on_clear("kill-a", NOW))
    assert (state.phase, state.mode, state.restriction) == (Phase.ARMED, None, None)
    assert state.cleared == {"kill-a"}
    assert state.on_clear("kill-a", NOW) is None


def test_after_a_clearing_a_reason_trips_again_if_it_holds_and_not_by_late_news_of_it() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    state = happened(state, state.on_clear("kill-a", NOW))
    assert state.on_trigger(trigger("a")) is None
    again, kind = pulled(state, replace(trigger("a", kill_id="kill-2"), holds=True))
    assert kind is EventKind.TRIPPED
    assert (again.kill_id, again.is_tripped) == ("kill-2", True)
    assert again.on_trigger(replace(trigger("a"), holds=True)) is None, "a repeat is one again"
    once_more = happened(again, again.on_clear("kill-2", NOW))
    assert pulled(once_more, replace(trigger("a"), holds=True))[1] is EventKind.TRIPPED


def test_a_disarmed_switch_records_what_would_trip_it_and_trips_for_people() -> None:
    state = happened(KillSwitch(), KillSwitch().on_disarm(NOW))
    assert not state.heeds(trigger("a"))
    state, kind = pulled(state, trigger("a"))
    assert kind is EventKind.TRIGGER_RECORDED
    assert (state.phase, state.is_tripped) == (Phase.DISARMED, False)
    tripped, kind = pulled(state, replace(trigger("b"), by_person=True))
    assert kind is EventKind.TRIPPED
    assert tripped.on_disarm(NOW) is None, "what is tripped has to be cleared"
    armed = happened(state, state.on_arm(NOW))
    assert pulled(armed, replace(trigger("a"), holds=True))[1] is EventKind.TRIPPED
    assert armed.on_arm(NOW) is None


def test_a_graceful_kill_is_tightened_when_its_time_is_over_unless_all_is_flat() -> None:
    state, _ = pulled(KillSwitch(), trigger("a", KillMode.GRACEFUL))
    over = state.on_timeout(NOW)
    assert over is not None
    flat = happened(state, state.on_flat("kill-a", "one", NOW))
    assert flat.on_timeout(NOW) is None
    tightened, kind = pulled(state, over)
    assert kind is EventKind.TIGHTENED
    assert tightened.mode is KillMode.IMMEDIATE
    assert tightened.on_timeout(NOW) is None
    cleared = happened(state, state.on_clear("kill-a", NOW))
    assert cleared.on_trigger(over) is None, "it is about a kill that is over"
    assert not cleared.heeds(over)
    for mode in (KillMode.PAUSE, KillMode.IMMEDIATE):
        assert pulled(KillSwitch(), trigger("a", mode))[0].on_timeout(NOW) is None


def test_news_of_what_was_over_at_the_clearing_trips_nothing_before_it_is_on_record() -> None:
    news, before, after = trigger("a"), NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert KillSwitch().heeds_unrecorded(news)
    assert KillSwitch().heeds_unrecorded(replace(news, over_at=before)), "it was never cleared"
    state, _ = pulled(KillSwitch(), news)
    cleared = happened(state, state.on_clear("kill-a", NOW))
    assert cleared.heeds_unrecorded(news), "nobody said that it is over"
    assert not cleared.heeds_unrecorded(replace(news, over_at=before))
    assert not cleared.heeds_unrecorded(replace(news, over_at=NOW))
    assert cleared.heeds_unrecorded(replace(news, over_at=after))
    disarmed = happened(cleared, cleared.on_disarm(NOW))
    assert not disarmed.heeds_unrecorded(news)


def test_the_beginning_of_closing_is_news_once_of_every_account() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    state = happened(state, state.on_account("one", NOW))
    assert state.phase is Phase.TRIPPED
    closing = happened(state, state.on_closing("kill-a", "one", NOW))
    assert closing.phase is Phase.CLOSING
    assert closing.on_closing("kill-a", "one", NOW) is None
    assert closing.on_closing("kill-a", "two", NOW) is not None
    flat = happened(closing, closing.on_flat("kill-a", "one", NOW))
    assert flat.on_flat("kill-a", "one", NOW) is None


def test_a_trip_keeps_what_was_before_it_and_says_since_when_which_mode_holds() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    state = happened(state, state.on_clear("kill-a", NOW))
    later, still_later = NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)
    again, _ = pulled(state, replace(trigger("b"), at=later))
    assert (again.level, again.since, again.mode_since) == ("emergency", later, later)
    assert (state.epoch, state.anew_at) == (1, NOW)
    kept = (state.cleared, state.settled, state.epoch, state.anew_at)
    assert (again.cleared, again.settled, again.epoch, again.anew_at) == kept
    assert again.seen == {"a", "b"}
    tighter, _ = pulled(again, replace(trigger("c", KillMode.IMMEDIATE), at=still_later))
    assert (tighter.since, tighter.mode_since) == (later, still_later)


def test_of_two_states_with_nothing_tripped_the_newer_one_counts() -> None:
    armed = KillSwitch()
    disarmed = happened(armed, armed.on_disarm(NOW))
    assert tightest(armed, disarmed) == tightest(disarmed, armed) == disarmed
    recorded, _ = pulled(disarmed, trigger("a"))
    assert tightest(disarmed, recorded) == recorded
    again = happened(recorded, recorded.on_arm(NOW))
    assert tightest(recorded, again) == tightest(again, recorded) == again


def test_an_account_is_news_once_and_only_by_name() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    assert state.on_account("", NOW) is None
    waiting = happened(state, state.on_account("one", NOW))
    assert waiting.on_account("one", NOW) is None
    flat = happened(waiting, waiting.on_flat("kill-a", "one", NOW))
    assert flat.on_account("one", NOW) is None


class AnyInterleaving(RuleBasedStateMachine):
    """Triggers, reports, clearings, crashes, restarts and clock jumps in every order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = KillSwitch()
        self.durable: list[KillEvent] = []
        self.states = [self.state]
        self.pulled: set[str] = set()
        self.stale: set[str] = set()
        self.tripped = False
        self.disarmed = False
        self.tightest: KillMode | None = None
        self.concerned: set[str] = set()
        self.flat: set[str] = set()
        self.clock = NOW

    def _happened(self, event: KillEvent | None) -> None:
        if event is not None:
            self.durable.append(event)
            self.state = self.state.after(event)
            self.states.append(self.state)

    @rule(key=keys, mode=modes, holds=st.booleans(), by_person=st.booleans())
    def pull(self, key: str, mode: KillMode, holds: bool, by_person: bool) -> None:
        pull = trigger(key, mode, kill_id=f"kill-{len(self.durable)}")
        event = self.state.on_trigger(replace(pull, holds=holds, by_person=by_person))
        is_news = key not in self.pulled or (holds and key in self.stale)
        assert (event is not None) == is_news, "a trigger was lost or recorded twice"
        self._happened(event)
        self.pulled.add(key)
        if is_news and holds:
            self.stale.discard(key)
        if not is_news or (self.disarmed and not by_person):
            return
        self.tripped, self.disarmed = True, False
        if self.tightest is None or mode.rank > self.tightest.rank:
            self.tightest = mode

    @rule()
    def time_is_over(self) -> None:
        over = self.state.on_timeout(self.clock)
        graceful = self.tripped and self.tightest is KillMode.GRACEFUL
        assert (over is not None) == (graceful and self.state.phase is not Phase.FLAT_CONFIRMED)
        if over is not None:
            self._happened(self.state.on_trigger(over))
            self.tightest = KillMode.IMMEDIATE

    @rule(right=st.booleans())
    def clear(self, right: bool) -> None:
        event = self.state.on_clear(self.state.kill_id if right else "other", self.clock)
        assert (event is not None) == (right and self.tripped)
        self._happened(event)
        if event is not None:
            self.tripped, self.tightest = False, None
            self.stale = set(self.pulled)
            self.concerned, self.flat = set(), set()

    @rule()
    def disarm(self) -> None:
        event = self.state.on_disarm(self.clock)
        assert (event is not None) == (not self.tripped and not self.disarmed)
        self._happened(event)
        self.disarmed = self.disarmed or event is not None

    @rule()
    def arm(self) -> None:
        event = self.state.on_arm(self.clock)
        assert (event is not None) == self.disarmed
        self._happened(event)
        if event is not None:
            self.disarmed, self.stale = False, set(self.pulled)

    @rule(account=accounts)
    def turns_up(self, account: str) -> None:
        if self.state.is_tripped and account not in self.flat:
            self.concerned.add(account)
        self._happened(self.state.on_account(account, self.clock))

    @rule(right=st.booleans(), account=accounts, held=st.booleans())
    def closing(self, right: bool, account: str, held: bool) -> None:
        self.clock += timedelta(seconds=1)
        kill_id = self.state.kill_id if right else "other"
        held_at = max([self.clock, *(at + timedelta(1) for at in self.state.flat.values())])
        if right and self.state.is_tripped and (held or account not in self.flat):
            self.concerned.add(account)
            self.flat.discard(account)
        self._happened(
            self.state.on_closing(kill_id, account, self.clock, held_at=held_at if held else None)
        )

    @rule(right=st.booleans(), account=accounts)
    def confirmed_flat(self, right: bool, account: str) -> None:
        if right and self.state.is_tripped:
            self.concerned.add(account)
            self.flat.add(account)
        kill_id = self.state.kill_id if right else "other"
        self._happened(self.state.on_flat(kill_id, account, self.clock))

    @rule()
    def crash_and_restart(self) -> None:
        self.state = fold(self.durable).everything

    @rule(hours=st.integers(-48, 48))
    def the_clock_jumps(self, hours: int) -> None:
        self.clock += timedelta(hours=hours)

    @invariant()
    def holds_the_tightest_mode_asked_for_since_it_was_cleared(self) -> None:
        assert self.state.mode is self.tightest

    @invariant()
    def is_tripped_until_it_is_cleared(self) -> None:
        assert self.state.is_tripped == self.tripped
        assert (self.state.phase is Phase.DISARMED) == self.disarmed

    @invariant()
    def is_flat_only_if_every_account_said_so(self) -> None:
        assert self.state.flat.keys() == self.flat
        assert self.state.waiting == self.concerned - self.flat
        all_flat = bool(self.flat) and self.flat == self.concerned
        assert (self.state.phase is Phase.FLAT_CONFIRMED) == all_flat
        assert (self.state.flat_at is not None) == all_flat

    @invariant()
    def knows_every_trigger(self) -> None:
        assert self.state.seen >= self.pulled

    @invariant()
    def is_what_its_history_says(self) -> None:
        assert fold(self.durable).everything == self.state

    @invariant()
    def every_kill_has_an_identity_of_its_own(self) -> None:
        tripped = [e.kill_id for e in self.durable if e.kind is EventKind.TRIPPED]
        assert len(set(tripped)) == len(tripped)
        assert self.state.kill_id not in self.state.cleared

    @invariant()
    def whoever_holds_it_and_hears_late_or_never_loosens_it_without_a_clearing(self) -> None:
        held = KillSwitch()
        for state in self.states:
            held = tightest(held, state)
        assert (held.mode, held.phase) == (self.state.mode, self.state.phase)
        for state in self.states:
            held = tightest(held, state)
            assert held.is_tripped == self.tripped
            assert held.mode is self.tightest


TestAnyInterleaving = AnyInterleaving.TestCase


@given(st.lists(st.tuples(keys, modes), min_size=1, max_size=8), st.permutations(range(8)))
def test_states_that_arrive_out_of_order_never_loosen_what_is_held(
    pulls: list[tuple[str, KillMode]], order: list[int]
) -> None:
    states = [KillSwitch()]
    for key, mode in pulls:
        states.append(pulled(states[-1], trigger(key, mode, kill_id="kill"))[0])
    held = KillSwitch()
    for index in (i for i in order if i < len(states)):
        before = held
        held = tightest(held, states[index])
        assert not before.is_tripped or held.is_tripped
        assert not before.mode or (held.mode is not None and held.mode.rank >= before.mode.rank)
    assert tightest(held, states[-1]).mode is states[-1].mode
