"""A kill that closed the gate of one machine alone is handed on to who leads, or told of."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.trip import AlertKill, SpooledTrip
from risk_receivers.leadership.left_behind import is_left_behind
from riskwarden.offline_kill import trip
from riskwarden.stack.layout import Layout


def test_what_was_given_where_nobody_led_holds_at_the_leader_too(
    make_pair: Any, words: Any
) -> None:
    pair = make_pair()
    gate = pair.other.data / "gate"
    gate.mkdir(parents=True)
    (gate / contract.LEASE_FILE).write_bytes(bytes(contract.SIZE))
    given = trip(Layout(pair.other.data), KillMode.PAUSE, "alone", "ann")
    assert is_left_behind(pair.other.data)
    pair.start()
    pair.wait_until(pair.one.gate_says_halt, 20, "the leader's gate is closed by it")
    pair.wait_until(lambda: not is_left_behind(pair.other.data), 20, "nothing is left behind")
    (kill,) = pair.events_of("KILL_SWITCH_ACTIVATED")
    assert (kill.payload.action_reason, kill.payload.actor_id) == ("alone", "ann")
    assert pair.one.status()["kill_switch"]["kill_id"] == given.kill_id
    assert marker.read_order(gate) is None
    pair.await_standby(pair.other)

    kill, spool = words.kill_alert(), pair.other.data / "spool"
    heard = Parser(Severity.WARNING, 60).parse(Feed.ALERTS, json.dumps([kill]).encode(), utc_now())
    waits = SpooledTrip("waits", "kill", utc_now(), AlertKill(heard.tripping[0]), known=1)
    assert pair.one.send("alerts", [kill]).status_code == 200
    (spool / "waits.jsonl").write_bytes(msgspec.json.encode(waits))
    (gate / marker.ORDER_FILE).write_text(
        json.dumps({"mode": "pause", "reason": " ", "actor": "a" * 150})
    )
    pair.wait_until(
        lambda: not is_left_behind(pair.other.data), 20, "an alert is on record, an order is taken"
    )
    assert len(pair.events_of("ALERT_CREATED")) == 1

    (spool / "what.jsonl").write_text("{")
    pair.wait_until(
        lambda: (
            "is not on record, and trips once this service leads"
            in str(pair.probe(pair.other)[1].get("detail"))
        ),
        20,
        "what nobody can read is told of",
    )
    assert pair.probe(pair.other)[0] == 503
    pair.one.kill()
    pair.await_leader(pair.other)
    kills = pair.other.status()["kill_switch"]["kills"]
    assert [one["kill_id"] for one in kills] == [given.kill_id], "the same one is in force"
