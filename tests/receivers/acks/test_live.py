"""Acknowledgements against the real Alertmanager, trap by trap."""

from __future__ import annotations

import time
from typing import Any

WARNING = "drawdown/main:warning:1"
CRITICAL = {"name": "DRAWDOWN_CRITICAL", "tier": "critical", "severity": "critical"}


def test_an_acknowledged_alert_is_quiet_and_its_escalation_too(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    answer = people.ack(**{"for": "2h"})
    assert answer["tiers"] == ["warning"]
    assert "tier critical: people are told" in answer["does_not_cover"][0]
    assert people.incident()["state"] == "ACKNOWLEDGED"
    assert people.incident()["acknowledged"]["author"] == "olga"
    until = people.acked_until()
    assert until is not None
    assert 7190 < until - time.time() < 7210

    people.fire(severity="critical", escalation="time")
    people.wait_until(
        lambda: [
            one
            for one in people.alertmanager.alerts()
            if one["labels"]["severity"] == "critical" and one["status"]["silencedBy"]
        ],
        what="the escalated one is silenced",
    )
    # Another alert, told after it, shows that the escalated one would have been.
    people.fire(risk_id="drawdown/other")
    people.await_told("firing", "drawdown/other:warning:1")
    assert people.told(incident=WARNING) == [(WARNING, "firing")]
    assert people.incident()["severity"] == "critical"


def test_a_worse_tier_is_told_although_the_milder_one_is_acknowledged(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.fire(**CRITICAL)
    people.await_told("firing", "drawdown/main:critical:1")
    assert people.incident("drawdown/main:critical:1")["state"] == "DISPATCHED"
    assert people.acked_until("critical") is None


def test_no_acknowledgement_keeps_the_kill_switch_from_tripping(people: Any, words: Any) -> None:
    people.alertmanager.silence('account=~".*"', 'alertname=~".+"')
    people.wait_until(lambda: people.acks(), what="the silence is seen")
    people.fire(**words.emergency)
    assert people.receivers.status()["kill_switch"]["state"] == "TRIPPED"
    assert people.receivers.gate_says_halt()


def test_fire_ack_resolve_unack_fire_again_is_told(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.resolve()
    people.wait_until(lambda: people.incident()["state"] == "RESOLVED")
    people.unack()
    assert not people.told("ack_lost"), "there is nothing left to take on"
    people.fire()
    again = "drawdown/main:warning:2"
    # Alertmanager says nothing: for it, this was told.
    people.await_told("firing", again)
    (body,) = people.receivers.rows(
        "SELECT body FROM message WHERE subject = ? AND channel = 'console'", again
    )[0]
    assert b"told by the receivers" in body
    assert people.incident(again)["dispatched"]
    (event,) = [e for e in people.events("ALERT_DISPATCHED") if e.payload.alert_id == again]
    assert "told by the receivers" in event.payload.message
    # Once, whoever else says it later.
    people.receivers.send("notifications", people.words.webhook(people.words.alert()))
    assert people.told("firing", again) == [(again, "firing")]


def test_what_is_silenced_or_inhibited_is_not_told_behind_its_back(people: Any) -> None:
    people.alertmanager.silence('risk_id="drawdown/silenced"')
    people.fire(risk_id="drawdown/silenced")
    people.fire(**CRITICAL)
    people.await_told("firing", "drawdown/main:critical:1")
    people.fire()
    people.wait_until(
        lambda: [one for one in people.alertmanager.alerts() if one["status"]["inhibitedBy"]],
        what="the milder tier is inhibited",
    )
    # What only the alert feed knows of is told after the same wait.
    people.fire("receivers", risk_id="drawdown/unheard")
    people.await_told("firing", "drawdown/unheard:warning:1")
    assert not people.told(incident="drawdown/silenced:warning:1")
    assert not people.told(incident=WARNING)


def test_taking_it_back_tells_people_again_and_restarts_escalation(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    people.ack()
    people.unack()
    assert people.told("ack_lost", WARNING)
    assert people.alertmanager.active() == []
    assert people.acked_until() <= time.time()
    assert people.incident()["state"] == "DISPATCHED"
    (event,) = people.events("ALERT_ACK_ENDED")
    assert (event.payload.actor_id, event.payload.action_reason) == ("pavel", "wrong one")
    # The rules look back for an hour: a restart must not bring the old end back.
    people.receivers.kill()
    people.start_receivers()
    assert people.acked_until() <= time.time()


def test_a_silence_made_by_hand_is_an_acknowledgement_with_author_and_comment(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    silence = people.alertmanager.silence('risk_id="drawdown/main"', 'tier="warning"')
    people.wait_until(lambda: people.incident()["state"] == "ACKNOWLEDGED")
    assert people.incident()["acknowledged"]["comment"] == "by hand"
    (event,) = people.events("ALERT_ACKNOWLEDGED")
    assert event.payload.alert_id == WARNING
    assert (event.payload.actor_type, event.payload.actor_id) == ("USER", "nadia")
    assert event.payload.details["silence"] == silence

    people.alertmanager.expire(silence)
    people.await_told("ack_lost")
    (event,) = people.events("ALERT_ACK_ENDED")
    assert event.payload.actor_type == "SYSTEM"
    assert "ended early" in event.payload.message
    assert people.acked_until() <= time.time()
