"""Since when closing is owed: from the record, and from the gate where the record knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from risk_policy.vocabulary import KillMode
from risk_receivers.kill.switch import KillSwitch, Trigger, timeout_of
from risk_receivers.kill.unconfirmed import unconfirmed_since

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)


def tripped(mode: KillMode, kill_id: str = "k1") -> KillSwitch:
    event = KillSwitch().on_trigger(Trigger("a", kill_id, mode, "cause", "emergency", NOW))
    assert event is not None
    return KillSwitch().after(event)


def flat(state: KillSwitch, account: str) -> KillSwitch:
    event = state.on_flat(state.kill_id, account, LATER)
    assert event is not None
    return state.after(event)


def test_nothing_is_owed_while_nothing_is_tripped() -> None:
    assert unconfirmed_since(KillSwitch(), None) is None


@pytest.mark.parametrize("mode", [KillMode.PAUSE, KillMode.GRACEFUL])
def test_a_mode_that_closes_nothing_now_owes_nothing(mode: KillMode) -> None:
    state = tripped(mode)
    assert unconfirmed_since(state, state.restriction) is None


def test_a_graceful_kill_owes_it_from_the_end_of_its_time() -> None:
    state = tripped(KillMode.GRACEFUL)
    event = state.on_trigger(timeout_of("k1", LATER))
    assert event is not None
    state = state.after(event)
    assert unconfirmed_since(state, state.restriction) == LATER


def test_it_is_owed_until_every_account_has_confirmed() -> None:
    state = tripped(KillMode.IMMEDIATE)
    for account in ("one", "two"):
        concerned = state.on_account(account, NOW)
        assert concerned is not None
        state = state.after(concerned)
    assert unconfirmed_since(state, state.restriction) == NOW
    state = flat(state, "one")
    assert unconfirmed_since(state, state.restriction) == NOW
    state = flat(state, "two")
    assert unconfirmed_since(state, state.restriction) is None
    late = state.on_account("three", LATER)
    assert late is not None
    assert unconfirmed_since(state.after(late), state.restriction) == NOW


def test_clearing_ends_it_even_before_the_gate_has_heard() -> None:
    state = tripped(KillMode.IMMEDIATE)
    cleared = state.on_clear("k1", LATER)
    assert cleared is not None
    assert unconfirmed_since(state.after(cleared), state.restriction) is None


def test_a_kill_that_the_gate_alone_knows_is_owed() -> None:
    held = tripped(KillMode.IMMEDIATE, "in memory").restriction
    assert unconfirmed_since(KillSwitch(), held) == NOW
    assert held is not None
    loose = held.model_copy(update={"mode": KillMode.PAUSE})
    assert unconfirmed_since(KillSwitch(), loose) is None


def test_a_mode_that_only_the_gate_knows_counts() -> None:
    state = tripped(KillMode.GRACEFUL)
    tighter = replace(state, mode=KillMode.IMMEDIATE).restriction
    assert unconfirmed_since(state, tighter) == NOW
