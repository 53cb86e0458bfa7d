"""The kill switch in each of its modes, and back."""

from __future__ import annotations

from risk_policy.vocabulary import KillMode
from riskwarden.drill.record import Notes
from riskwarden.drill.stage import ENTRY, Stage

#: A gate that is read from memory closes at once; this is how long nobody may be lied to.
_CLOSED_WITHIN_SECONDS = 1.0
_FLAT_WITHIN_SECONDS = 30.0


def pause(stage: Stage, notes: Notes) -> None:
    """No new entries, and nothing is closed."""
    _trip(stage, notes, KillMode.PAUSE)
    _nothing_was_closed(stage, notes)
    _clear(stage, notes)


def graceful(stage: Stage, notes: Notes) -> None:
    """No new entries; positions have until the timeout."""
    _trip(stage, notes, KillMode.GRACEFUL)
    minutes = stage.policy.alerting.kill_switch.graceful_timeout_minutes
    notes.saw(f"what is open may close at its targets for {minutes:g} minutes")
    _nothing_was_closed(stage, notes)
    _clear(stage, notes)


def immediate(stage: Stage, notes: Notes) -> None:
    """Cancelled, closed, confirmed flat."""
    held = stage.positions_open
    _trip(stage, notes, KillMode.IMMEDIATE)
    took = stage.wait(
        lambda: stage.kill_switch.get("state") == "FLAT_CONFIRMED", _FLAT_WITHIN_SECONDS
    )
    closed = stage.events("POSITION_FORCE_CLOSED")
    notes.saw(f"{held} positions were held, {len(closed)} were closed")
    notes.expect(
        "the account is flat, and said so after looking again",
        met=took is not None and bool(stage.events("KILL_SWITCH_FLAT_CONFIRMED")),
        evidence=f"{took:.2f} s after the gate had closed" if took is not None else "not in time",
    )
    _clear(stage, notes)


def _trip(stage: Stage, notes: Notes, mode: KillMode) -> None:
    notes.given("the gate is open")
    held = stage.wait(lambda: stage.positions_open > 0, 30)
    notes.given(f"the paper account holds {stage.positions_open} positions")
    notes.expect("there is something at stake", met=held is not None, evidence="the journal")
    reason = f"drill of mode {mode}"
    code, content = stage.kill(mode.value, reason)
    command = f'riskwarden kill --mode {mode} --reason "{reason}"'
    notes.did("trip the kill switch", command)
    notes.expect("the kill is taken", met=code == 200, evidence=str(content))
    took = stage.wait(lambda: not stage.is_open, _CLOSED_WITHIN_SECONDS)
    entry = stage.gate.check(ENTRY)
    notes.expect(
        "a new entry is refused, and told why",
        met=took is not None and not entry.allowed and mode.value in entry.reason,
        evidence=entry.reason,
    )
    notes.expect(
        "reducing is allowed all the time",
        met=stage.allows_reductions,
        evidence="asked for a sale of what is held",
    )
    found = stage.events("KILL_SWITCH_ACTIVATED", reason)
    notes.expect(
        "it is in the audit chain, with who and why",
        met=len(found) == 1,
        evidence=f"seq {found[0]['header']['seq']}" if found else "none",
    )


def _nothing_was_closed(stage: Stage, notes: Notes) -> None:
    # Several days of the paper market have passed by the second one.
    played = len(stage.journal("day"))
    passed = stage.wait(lambda: len(stage.journal("day")) >= played + 2, 10)
    later = "ten seconds" if passed is None else "two days"
    closed = stage.events("POSITION_FORCE_CLOSED")
    notes.expect(
        "no position was closed by force",
        met=not closed,
        evidence=f"{stage.positions_open} positions {later} later, {len(closed)} closed",
    )


def _clear(stage: Stage, notes: Notes) -> None:
    problem = stage.clear("the drill is over")
    notes.did("clear it, in two steps", 'riskwarden clear --reason "the drill is over"')
    took = None if problem else stage.wait(lambda: stage.is_open, 15)
    notes.expect(
        "once it is cleared, the gate opens again",
        met=not problem and took is not None,
        evidence=problem or f"{took or 0:.2f} s after the second step: {stage.gate_told}",
    )
    chain = stage.verified()
    notes.expect("the chain verifies", met=chain.ok, evidence=f"{chain.events} events")
