"""What fires untold is found in one look, however much of it there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from people_told import People

from risk_policy.vocabulary import Severity
from risk_receivers.acks.untold import candidates
from risk_receivers.intake.alert import Feed

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.fixture
def people() -> Iterator[People]:
    told = People()
    yield told
    told.close()


def test_thousands_that_nobody_was_told_of_take_no_more_statements_than_one(
    people: People,
) -> None:
    statements: list[str] = []
    for number in range(20):
        people.take(Feed.ALERTS, f"position_loss/{number}", WARNING, firing=True)
        people.connection.set_trace_callback(statements.append)
        assert len(candidates(people.connection)) == number + 1
        people.connection.set_trace_callback(None)
    assert len(statements) == 20


def test_of_an_incident_the_worst_alert_counts_and_what_is_known_or_over_does_not(
    people: People,
) -> None:
    people.begins("known")
    people.begins("escalated")
    people.take(Feed.ALERTS, "escalated", CRITICAL, firing=True, escalation="time")
    people.take(Feed.ALERTS, "untold", CRITICAL, firing=True, escalation="trend")
    people.take(Feed.ALERTS, "untold", WARNING, firing=True)
    people.take(Feed.ALERTS, "over", WARNING, firing=True)
    people.after(1)
    people.take(Feed.ALERTS, "over", WARNING, firing=False)
    found = {one.incident.risk_id: one for one in candidates(people.connection)}
    assert found.keys() == {"escalated", "untold"}
    assert [held.severity for held in found["untold"].incident.alerts] == [WARNING, CRITICAL]
    assert found["untold"].labels == {"severity": "critical", "escalation": "trend"}
    assert found["escalated"].alert.severity is CRITICAL
