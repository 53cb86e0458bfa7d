"""What must hold, in words that a run can look at: the invariants of the design."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from chaos.declared import Must, Seen
from chaos.world import World
from risk_runtime import GateState
from riskwarden.drill.stage import ENTRY

#: A round of whoever measures, evaluates and delivers at intervals of a second.
ROUNDS: Final = 20.0
#: What the default policy says, and a little for a machine that does other things, too.
LEASE: Final = 4.5
WATCHDOG: Final = 15 + 3 + ROUNDS


def closes(within: float, why: str = "") -> Must:
    """Fail closed."""
    return Must(
        f"no new risk passes any more{why}",
        lambda w: w.gate.closed_seconds > 1.0,  # longer than somebody who is only late
        within + 1.0,
        lambda w: w.stage.gate.check(ENTRY).reason,
    )


def stays_open(seconds: float) -> Must:
    """What is no danger stops nobody."""

    def looked(world: World) -> bool:
        time.sleep(seconds)
        return not world.gate.closed_since(world.broken_at)

    def why(world: World) -> str:
        closed = world.gate.closed_since(world.broken_at)
        return "; ".join(closed[:3]) or "the gate never closed"

    return Must(f"trading goes on, for {seconds:g} s", looked, 0.0, why)


def on_record(name: str, within: float, what: str = "") -> Must:
    """An alert that says so."""
    return Must(
        what or f"{name} is on record",
        lambda w: w.begun(name),
        within,
    )


def told(text: str, within: float) -> Must:
    """People have it by the file channel."""
    return Must(f"people are told of {text}", lambda w: w.told(text), within)


def over(name: str, within: float = 90) -> Must:
    """It ends by itself."""
    return Must(f"{name} ends by itself", lambda w: w.ended(name), within)


def started_refused(text: str) -> Must:
    """Better not at all than on what nobody meant."""
    return Must(
        "what is started on it refuses, and says why",
        lambda w: text in w.refused,
        0.0,
        lambda w: w.refused.strip().splitlines()[-1][:160] if w.refused else "it started",
    )


def recorded_event(event_type: str, within: float) -> Must:
    """Something else is on record."""
    return Must(f"{event_type} is on record", lambda w: w.stage.events(event_type), within)


TAKES_ALERTS: Final = Must(
    "alerts are taken again", lambda w: time.monotonic() - max(w.sender.answered.values()) < 1.5, 60
)
STILL_TAKES_ALERTS: Final = Must(
    "alerts are taken all the while",
    lambda w: max(w.sender.answered.values()) > w.broken_at + 2,
    15,
)
REFUSES_ALERTS: Final = Must(
    "no alert is answered with a 2xx while nothing can be recorded",
    lambda w: time.monotonic() - max(w.sender.answered.values()) > 4,
    20,
)
REOPENS: Final = Must(
    "the gate opens again by itself", lambda w: w.stage.is_open, 60, lambda w: w.stage.gate_told
)
NOT_CLAIMED_FLAT: Final = Must(
    "nobody claims that the account is flat",
    lambda w: bool(w.stage.kill_switch) and not w.stage.kill_switch.get("flat_confirmed_at"),
    10,
    lambda w: f"state {w.stage.kill_switch.get('state')}",
)
FLAT: Final = Must(
    "the account is closed, and flat is confirmed",
    lambda w: any(one["state"] == "FLAT_CONFIRMED" for one in w.stage.kills),
    90,
    lambda w: f"{w.count('POSITION_FORCE_CLOSED')} positions were closed",
)
SEES_AGAIN: Final = Must(
    "Prometheus evaluates and scrapes again",
    lambda w: w.query('ALERTS{alertname="Watchdog"}') and w.query("up == 1"),
    60,
)
SAYS_NOT_RECORDING: Final = Must(
    "Prometheus raises RISK_NOT_RECORDING, or that the receivers are down",
    lambda w: w.query(
        'ALERTS{alertname=~"RISK_NOT_RECORDING|RISK_RECEIVERS_DOWN",alertstate="firing"}'
    ),
    45,
    lambda w: ", ".join(
        sorted({one["metric"]["alertname"] for one in w.query('ALERTS{alertstate="firing"}')})
    ),
)
NOT_READY: Final = Must(
    "the receivers say that they cannot record",
    lambda w: w.ready()[0] not in {0, 200},
    30,
    lambda w: w.ready()[1],
)


def invariants(world: World) -> Iterator[Seen]:
    """What holds whatever was done, looked at once it is over and all is quiet."""
    gate, sender = world.gate, world.sender
    yield Seen(
        "an order that only reduces risk passes all the time",
        not gate.trapped,
        gate.trapped[0] if gate.trapped else f"asked whenever it was closed, {gate.looks} looks",
    )
    if world.killed_at:
        yield from _of_the_kill(world)
    settled = sender.settle(60)
    yield Seen("what was sent is answered in the end", settled, sender.told)
    created = world.created()
    lost = [name for name in sender.answered if name not in created]
    twice = [name for name, times in created.items() if times > 1]
    yield Seen(
        "what was answered is on record",
        not lost,
        f"lost: {lost[:3]}" if lost else f"{len(sender.answered)} of {len(sender.answered)}",
    )
    yield Seen("nothing is on record twice", not twice, f"twice: {twice[:3]}" if twice else "none")
    ok, seen = world.verified()
    yield Seen("the audit chain verifies", ok, seen)


def _of_the_kill(world: World) -> Iterator[Seen]:
    opened = world.gate.opened_after_trip
    state = world.stage.gate.read().state
    yield Seen(
        "after the trip the gate never opens for new risk",
        not opened and state is GateState.HALTED,
        f"opened {len(opened)} times" if opened else f"{state} to the end",
    )
    world.stage.wait(lambda: world.count("KILL_SWITCH_ACTIVATED") and world.told("TRIPPED"), 30)
    trips = world.count("KILL_SWITCH_ACTIVATED")
    yield Seen("the trip is on record once", trips == 1, f"{trips} records")
    messages = [line for line in world.told("KILL SWITCH") if "TRIPPED" in line.upper()]
    yield Seen("people are told of the trip once", len(messages) == 1, f"{len(messages)} messages")
