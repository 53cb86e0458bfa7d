"""Do a scenario, and write down what was seen, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from chaos.declared import Must, Needs, Outcome, Scenario, Seen
from chaos.harms import system_tool
from chaos.musts import invariants
from chaos.world import CLOCK_LIBRARY, World
from risk_runtime import GateState
from riskwarden.drill.stage import ENTRY

Say = Callable[[str], None]


def missing(scenario: Scenario) -> str:
    """What the machine lacks for it; empty if it has all."""
    there = {
        Needs.NETWORK: in_own_namespaces() and shutil.which(system_tool("nft")) is not None,
        Needs.MOUNTS: in_own_namespaces(),
        Needs.LOOP: Path("/dev/loop-control").exists() and os.geteuid() == 0,
        Needs.CLOCK: CLOCK_LIBRARY is not None,
    }
    return ", ".join(need for need in scenario.needs if not there[need])


def in_own_namespaces() -> bool:
    """Whether this process was started where it may mount and cut off."""
    return "RISKWARDEN_CHAOS_NAMESPACES" in os.environ


def run(name: str, scenario: Scenario, folder: Path, say: Say) -> Outcome:
    """Do one, on a stack of its own in a folder."""
    outcome = Outcome(name, scenario.what)
    if lack := missing(scenario):
        outcome.left_out = f"the machine lacks {lack}"
        return outcome
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            world = World(folder, scenario, stack)
            world.start()
            _play(world, scenario, outcome, say)
    except Exception as error:  # noqa: BLE001 - what breaks off has not held, and says with what
        outcome.trouble = f"{type(error).__name__}: {' '.join(str(error).split())[:600]}"
    outcome.seconds = time.monotonic() - began
    return outcome


def _play(world: World, scenario: Scenario, outcome: Outcome, say: Say) -> None:
    def note(seen: Seen) -> None:
        outcome.seen.append(seen)
        say(f"{'ok  ' if seen.held else 'FAIL'} {seen.what}: {seen.seen}")

    if scenario.prepare is not None:
        scenario.prepare(world)
    world.broken_mark = world.mark()
    world.broken_at = time.monotonic()
    with scenario.harm(world):
        for must in scenario.broken:
            note(_looked(world, must))
        if scenario.kill is not None:
            answer = world.kill(scenario.kill)
            note(_closed(world, scenario, answer))
            for must in scenario.tripped:
                note(_looked(world, must))
        world.mended_mark = world.mark()
    for must in scenario.mended:
        note(_looked(world, must))
    for seen in invariants(world):
        note(seen)


def _looked(world: World, must: Must) -> Seen:
    took = world.stage.wait(lambda: must.holds(world), must.within_seconds)
    detail = must.detail(world)
    if took is None:
        seen = f"not within {must.within_seconds:g} s"
    else:
        seen = f"after {took:.1f} s" if must.within_seconds else "so it was"
    return Seen(must.what, took is not None, f"{seen}; {detail}" if detail else seen)


def _closed(world: World, scenario: Scenario, answer: str) -> Seen:
    """The gate says that it is tripped, and when it did."""
    within = scenario.kill_within_seconds
    what = f"tripped by {scenario.kill}, no new risk passes within {within:g} s"

    def is_tripped() -> bool:
        reading = world.stage.gate.read()
        decision = world.stage.gate.check(ENTRY)
        is_said = bool(reading.kills) or reading.state is GateState.HALTED
        return is_said and not decision.allowed and not world.gate.changes[-1][1]

    took = world.stage.wait(is_tripped, 30)
    world.gate.tripped()
    closed_at = world.gate.changes[-1][0] if took is not None else world.killed_at + 30
    after = max(0.0, closed_at - world.killed_at)
    halted = "never said" if took is None else "HALT is at the gate"
    held = took is not None and after <= within
    return Seen(what, held, f"after {after * 1000:.0f} ms; {halted}; {answer}")
