"""The latch: whatever happens in whatever order, it never loosens and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from risk_policy.vocabulary import KillMode
from risk_receivers.kill_switch import (
    EventKind,
    KillEvent,
    KillSwitch,
    Phase,
    Trigger,
    fold,
    tightest,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PHASES = list(Phase)
modes = st.sampled_from(list(KillMode))
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
    assert KillSwitch().on_flat("", NOW) is None
    assert KillSwitch().on_closing("", NOW) is None
    state, _ = pulled(KillSwitch(), trigger("a"))
    assert state.on_flat("kill-b", NOW) is None
    assert state.on_closing("kill-b", NOW) is None


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
        self.furthest = Phase.ARMED
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

    @rule(right=st.booleans())
    def closing(self, right: bool) -> None:
        self._happened(self.state.on_closing(self.state.kill_id if right else "other", self.clock))

    @rule(right=st.booleans())
    def flat(self, right: bool) -> None:
        self._happened(self.state.on_flat(self.state.kill_id if right else "other", self.clock))

    @rule()
    def crash_and_restart(self) -> None:
        self.state = fold(self.durable)

    @invariant()
    def holds_the_tightest_mode_ever_asked_for(self) -> None:
        assert self.state.mode is self.tightest

    @invariant()
    def never_moves_back(self) -> None:
        assert PHASES.index(self.state.phase) >= PHASES.index(self.furthest)
        self.furthest = self.state.phase
        assert self.state.is_tripped == bool(self.pulled)

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
