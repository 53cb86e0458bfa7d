"""Prolonged while it fires, in place, up to the cap: on the real Alertmanager."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def policy_lines() -> str:
    return """
[alerting.acknowledgement]
default_minutes = 0.05
max_minutes = 0.1
"""


def test_an_acknowledgement_is_prolonged_in_place_up_to_its_cap_and_told_when_it_ends(
    people: Any,
) -> None:
    people.fire()
    people.await_told("firing")
    answer = people.ack()
    (before,) = people.alertmanager.active()
    people.await_told("ack_lost")
    # One silence all the time: it was changed where it stood, and nothing of it but its end.
    (after,) = people.alertmanager.silences()
    kept = ("id", "matchers", "startsAt", "createdBy", "comment")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["endsAt"] > before["endsAt"]
    (changed,) = people.events("ALERT_ACK_CHANGED")
    assert changed.payload.details["silence"] == answer["id"]
    (ended,) = people.events("ALERT_ACK_ENDED")
    assert ended.payload.details["standing"] == "LAPSED"
    assert answer["extended_until"][:21] == ended.payload.details["ends_at"][:21]


def test_one_whose_incident_is_over_is_not_prolonged(people: Any) -> None:
    people.fire()
    people.await_told("firing")
    answer = people.ack()
    people.resolve()
    people.wait_until(lambda: people.acks() == [], what="it has lapsed")
    assert people.events("ALERT_ACK_CHANGED") == []
    (ended,) = people.events("ALERT_ACK_ENDED")
    assert ended.payload.details["ends_at"][:23] == answer["until"][:23]
    assert not people.told("ack_lost")
