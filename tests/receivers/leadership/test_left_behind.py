"""A kill that closed the gate of one machine alone is no secret of that machine."""

from __future__ import annotations

from typing import Any

from risk_policy.contracts import gate as contract
from risk_policy.vocabulary import KillMode
from riskwarden.offline_kill import trip
from riskwarden.stack.layout import Layout


def test_whoever_stands_by_says_that_a_kill_waits_for_it(make_pair: Any) -> None:
    pair = make_pair()
    gate = pair.other.data / "gate"
    gate.mkdir(parents=True)
    (gate / contract.LEASE_FILE).write_bytes(bytes(contract.SIZE))
    trip(Layout(pair.other.data), KillMode.PAUSE, "alone", "ann")
    pair.start()
    pair.wait_until(
        lambda: (
            "is not on record, and trips once this service leads"
            in str(pair.probe(pair.other)[1].get("detail"))
        ),
        20,
        "it says so",
    )
    assert pair.probe(pair.other)[0] == 503
    assert pair.events_of("KILL_SWITCH_ACTIVATED") == []
    pair.one.kill()
    pair.await_leader(pair.other)
    pair.wait_until(pair.other.gate_says_halt, 20, "it trips")
    (kill,) = pair.events_of("KILL_SWITCH_ACTIVATED")
    assert kill.payload.action_reason == "alone"
