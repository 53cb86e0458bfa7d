"""Milliseconds from a snapshot in breach to HALT, as a runtime in another process sees it.

Each round starts real receivers on a folder of its own, opens the gate, shows an exporter with its
fast lane an account in a drawdown of 21 %, and reads how long it takes until a ``TradeGate`` in
another process says HALTED, the record in the audit chain included. Beside it, in the same round:
breaches of more accounts until the receivers have acknowledged them, and the same alert as a bare
POST over loopback. No Prometheus runs. Takes about two seconds a round:
``python benchmarks/fast_lane.py [rounds]``.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import measure
from measure import Spread, machine, ratio

from risk_exporter import FastLane, RiskExporter
from risk_exporter.fast_lane.posting import Door, Outcome
from risk_policy import Policy, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime import GateState, TradeGate

_TOKEN = measure.TOKENS["RISKWARDEN_ALERT_FEED_TOKEN"]
_MORE_ACCOUNTS = 40
#: Longer than anything here takes, unless it never comes.
_PATIENCE_SECONDS = 30.0


def drawdown(account: str, **labels: str) -> dict[str, Any]:
    """The alert of the breach, or of a milder one."""
    usual = {
        "risk_id": f"drawdown/{account}", "account": account, "limit": "drawdown",
        "tier": "emergency", "severity": "emergency", "escalation": "none",
        "category": "drawdown", "layer": "portfolio", "action": "kill_switch",
    }  # fmt: skip
    return measure.alert("DRAWDOWN_EMERGENCY", **{**usual, **labels})


@contextmanager
def receivers(folder: Path) -> Iterator[str]:
    """Real receivers whose gate is about to open; their URL."""
    with measure.receivers(folder) as service:
        service.hear_watchdog()
        yield service.url


def watch_gate(folder: Path, told: Connection) -> None:
    """Tell when the gate has opened and when it says HALTED, on the clock of the machine."""
    gate = TradeGate(folder)
    for state in (GateState.OPEN, GateState.HALTED):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while gate.read().state is not state and time.monotonic() < deadline:
            gate.wait_change(1.0)
        told.send(time.monotonic_ns() if gate.read().state is state else 0)


def show(exporter: RiskExporter, account: str, equity: float) -> None:
    """A snapshot of an account that holds nothing."""
    now = utc_now()
    exporter.observe(
        Snapshot(
            account=account, equity=equity, cash=equity, positions=(), taken_at=now, market_time=now
        )
    )


def one_round(policy: Policy, folder: Path) -> tuple[float, list[float], list[float]]:
    """To HALT, to acknowledgements, and bare posts; milliseconds."""
    with receivers(folder) as url:
        ours, theirs = multiprocessing.Pipe()
        reader = multiprocessing.Process(
            target=watch_gate, args=(folder / "data" / "gate", theirs), daemon=True
        )
        reader.start()
        lane = FastLane(policy, _TOKEN, url)
        with RiskExporter(policy, folder / "exporter", fast_lane=lane) as exporter:
            show(exporter, "main", 100.0)
            # Milder tiers come first in real life too, and find a service that was just started.
            bare_post(Door.parse(url), "main", tier="warning", severity="warning", action="notify")
            if not ours.recv():
                raise SystemExit("the gate did not open")
            began = time.monotonic_ns()
            show(exporter, "main", 79.0)
            if not (halted := ours.recv()):
                raise SystemExit("the gate did not close")
            acknowledged = [to_acknowledgement(exporter, lane, n) for n in range(_MORE_ACCOUNTS)]
            bare = [bare_post(Door.parse(url), f"bare-{n}") for n in range(_MORE_ACCOUNTS)]
        reader.join()
    return (halted - began) / 1e6, acknowledged, bare


def to_acknowledgement(exporter: RiskExporter, lane: FastLane, number: int) -> float:
    """A breach of another account, until the receivers have it on record."""
    show(exporter, f"lane-{number}", 100.0)
    before = lane.outcomes.get(Outcome.ACKNOWLEDGED, 0)
    began = time.perf_counter()
    show(exporter, f"lane-{number}", 79.0)
    while lane.unacknowledged or lane.outcomes.get(Outcome.ACKNOWLEDGED, 0) == before:
        time.sleep(0.0001)  # gives the processor to whom is waited for
    return (time.perf_counter() - began) * 1000


def bare_post(door: Door, account: str, **labels: str) -> float:
    """The same alert, of another account, posted by itself."""
    body = json.dumps([drawdown(account, **labels)]).encode()
    began = time.perf_counter()
    outcome, words = door.post(body, _TOKEN, _PATIENCE_SECONDS)
    took = (time.perf_counter() - began) * 1000
    if outcome is not Outcome.ACKNOWLEDGED:
        raise SystemExit(f"the receivers {words}")
    return took


def main(rounds: int = 15) -> None:
    """Measure and print."""
    logging.disable(logging.CRITICAL)  # every breach is one
    halts: list[float] = []
    acknowledged: list[float] = []
    bare: list[float] = []
    for _ in range(max(rounds, 2)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "policy.toml").write_text("", encoding="utf-8")
            policy = load_policy(folder / "policy.toml", {})
            halt, more, posts = one_round(policy, folder)
        halts.append(halt)
        acknowledged += more
        bare += posts
    print(machine())
    halted, posted = Spread.of(halts), Spread.of(bare)
    print(halted.shown("breach to HALT at a TradeGate"))
    print(Spread.of(acknowledged).shown("breach to acknowledged"))
    print(posted.shown("bare POST of the alert, baseline"))
    print(ratio("HALT to the bare POST", halted.median, posted.median))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
