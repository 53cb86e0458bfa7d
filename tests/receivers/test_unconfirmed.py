"""Since when closing is owed: from the record, and from the gate where the record knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import KillSwitch, Trigger, timeout_of
from risk_receivers.kill.unconfirmed import unconfirmed_since

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)


def tripped(mode: KillMode, kill_id: str = "k1") -> KillSwitch:
    event = KillSwitch().on_trigger(Trigger("a", kill_id, mode, "cause", "emergency", NOW))
    assert event is not None
    return KillSwitch().after(event)


def held(state: KillSwitch) -> list[Kill]:
    return [] if state.restriction is None else [state.restriction]


def flat(state: KillSwitch, account: str) -> KillSwitch:
    event = state.on_flat(state.kill_id, account, LATER)
    assert event is not None
    return state.after(event)


def test_nothing_is_owed_while_nothing_is_tripped() -> None:
    assert unconfirmed_since(KillBoard(), ()) is None


@pytest.mark.parametrize("mode", [KillMode.PAUSE, KillMode.GRACEFUL])
def test_a_mode_that_closes_nothing_now_owes_nothing(mode: KillMode) -> None:
    state = tripped(mode)
    assert unconfirmed_since(KillBoard(state), held(state)) is None


def test_a_graceful_kill_owes_it_from_the_end_of_its_time() -> None:
    state = tripped(KillMode.GRACEFUL)
    event = state.on_trigger(timeout_of("k1", LATER))
    assert event is not None
    state = state.after(event)
    assert unconfirmed_since(KillBoard(state), held(state)) == LATER


def test_it_is_owed_until_every_account_has_confirmed() -> None:
    state = tripped(KillMode.IMMEDIATE)
    for account in ("one", "two"):
        concerned = state.on_account(account, NOW)
        assert concerned is not None
        state = state.after(concerned)
    assert unconfirmed_since(KillBoard(state), held(state)) == NOW
    state = flat(state, "one")
    assert unconfirmed_since(KillBoard(state), held(state)) == NOW
    state = flat(state, "two")
    assert unconfirmed_since(KillBoard(state), held(state)) is None
    late = state.on_account("three", LATER)
    assert late is not None
    assert unconfirmed_since(KillBoard(state.after(late)), held(state)) == NOW


def test_clearing_ends_it_even_before_the_gate_has_heard() -> None:
    state = tripped(KillMode.IMMEDIATE)
    cleared = state.on_clear("k1", LATER)
    assert cleared is not None
    assert unconfirmed_since(KillBoard(state.after(cleared)), held(state)) is None


def test_a_kill_that_the_gate_alone_knows_is_owed() -> None:
    known = tripped(KillMode.GRACEFUL)
    others = held(tripped(KillMode.IMMEDIATE, "in memory"))
    assert unconfirmed_since(KillBoard(), others) == NOW
    assert unconfirmed_since(KillBoard(known), [*held(known), *others]) == NOW
    assert unconfirmed_since(KillBoard(), held(tripped(KillMode.PAUSE, "in memory"))) is None


def test_a_mode_that_only_the_gate_knows_counts() -> None:
    state = tripped(KillMode.GRACEFUL)
    assert unconfirmed_since(KillBoard(state), held(replace(state, mode=KillMode.IMMEDIATE))) == NOW


def test_a_kill_of_a_part_is_owed_by_itself_and_the_one_owed_longest_counts() -> None:
    whole = tripped(KillMode.IMMEDIATE)
    part = KillSwitch(scope=Scope(account="main"))
    event = part.on_trigger(
        Trigger("b", "k2", KillMode.IMMEDIATE, "cause", "operator", LATER, scope=part.scope)
    )
    assert event is not None
    part = part.after(event)
    alone, both = KillBoard().holding(part), KillBoard(whole).holding(part)
    assert unconfirmed_since(alone, held(part)) == LATER
    assert unconfirmed_since(both, [*held(whole), *held(part)]) == NOW
    concerned = whole.on_account("main", NOW)
    assert concerned is not None
    whole = flat(whole.after(concerned), "main")
    both = KillBoard(whole).holding(part)
    assert unconfirmed_since(both, [*held(whole), *held(part)]) == LATER
