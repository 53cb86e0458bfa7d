"""The latch: whatever happens in whatever order, it never loosens and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from risk_policy.vocabulary import KillMode
from risk_receivers.kill.switch import (
    EventKind,
    KillEvent,
    KillSwitch,
    Phase,
    Trigger,
    fold,
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
    assert state.after(again).phase is Phase.CLOSING, "it was flat only as far as anybody knew"


def test_a_position_that_is_closed_after_all_was_flat_ends_that() -> None:
    state, _ = pulled(KillSwitch(), trigger("a"))
    flat = state.on_flat("kill-a", "one", NOW)
    assert flat is not None
    state = state.after(flat)
    assert state.on_closing("kill-a", "one", NOW) is None, "the final sweep finds nothing"
    earlier, later = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert state.on_closing("kill-a", "one", NOW, held_at=earlier) is None, "late news"
    closed = state.on_closing("kill-a", "one", NOW, held_at=later)
    assert closed is not None
    assert state.after(closed).phase is Phase.CLOSING
    assert state.after(closed).on_flat("kill-a", "one", NOW) is not None


def test_a_very_long_history_is_folded() -> None:
    """Step by step that would be work for hours: every step copied all that had been seen."""
    count = 300_000
    kinds = [EventKind.TRIPPED, *[EventKind.TRIGGER_RECORDED] * count]
    events = [
        KillEvent(kind, "kill", NOW, f"incident:{n}", KillMode.PAUSE)
        for n, kind in enumerate(kinds)
    ]
    assert len(fold(events).seen) == count + 1


def test_an_armed_switch_holds_nothing_at_the_gate() -> None:
    assert KillSwitch().restriction is None
    assert not KillSwitch().is_tripped
    assert not KillSwitch().would_loosen(KillMode.PAUSE)


class AnyInterleaving(RuleBasedStateMachine):
    """Triggers, reports, crashes and restarts in every order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = KillSwitch()
        self.durable: list[KillEvent] = []
        self.pulled: set[str] = set()
        self.tightest: KillMode | None = None
        self.concerned: set[str] = set()
        self.flat: set[str] = set()
        self.clock = NOW

    def _happened(self, event: KillEvent | None) -> None:
        if event is not None:
            self.durable.append(event)
            self.state = self.state.after(event)

    @rule(key=keys, mode=modes)
    def pull(self, key: str, mode: KillMode) -> None:
        self.clock += timedelta(seconds=1)
        event = self.state.on_trigger(trigger(key, mode, kill_id=f"kill-{len(self.durable)}"))
        assert (event is None) == (key in self.pulled), "a trigger was lost or recorded twice"
        self._happened(event)
        if key not in self.pulled and (self.tightest is None or mode.rank > self.tightest.rank):
            self.tightest = mode
        self.pulled.add(key)

    @rule(account=accounts)
    def turns_up(self, account: str) -> None:
        if self.state.is_tripped and account not in self.flat:
            self.concerned.add(account)
        self._happened(self.state.on_account(account, self.clock))

    @rule(right=st.booleans(), account=accounts, held=st.booleans())
    def closing(self, right: bool, account: str, held: bool) -> None:
        self.clock += timedelta(seconds=1)
        kill_id = self.state.kill_id if right else "other"
        held_at = self.clock if held else None
        if right and self.state.is_tripped and (held or account not in self.flat):
            self.concerned.add(account)
            self.flat.discard(account)
        self._happened(self.state.on_closing(kill_id, account, self.clock, held_at=held_at))

    @rule(right=st.booleans(), account=accounts)
    def confirmed_flat(self, right: bool, account: str) -> None:
        if right and self.state.is_tripped:
            self.concerned.add(account)
            self.flat.add(account)
        kill_id = self.state.kill_id if right else "other"
        self._happened(self.state.on_flat(kill_id, account, self.clock))

    @rule()
    def crash_and_restart(self) -> None:
        self.state = fold(self.durable)

    @invariant()
    def holds_the_tightest_mode_ever_asked_for(self) -> None:
        assert self.state.mode is self.tightest

    @invariant()
    def is_never_armed_again(self) -> None:
        assert self.state.is_tripped == bool(self.pulled)

    @invariant()
    def is_flat_only_if_every_account_said_so(self) -> None:
        assert self.state.flat.keys() == self.flat
        assert self.state.waiting == self.concerned - self.flat
        all_flat = bool(self.flat) and self.flat == self.concerned
        assert (self.state.phase is Phase.FLAT_CONFIRMED) == all_flat
        assert (self.state.flat_at is not None) == all_flat

    @invariant()
    def knows_every_trigger(self) -> None:
        assert self.state.seen == self.pulled

    @invariant()
    def is_what_its_history_says(self) -> None:
        assert fold(self.durable) == self.state

    @invariant()
    def keeps_one_identity(self) -> None:
        assert len({event.kill_id for event in self.durable}) <= 1


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
