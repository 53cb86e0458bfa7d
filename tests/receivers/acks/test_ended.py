"""The end of a breach that people were told of: nobody waits for it in vain, however late it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from people_told import People

from risk_receivers.acks.ended import settle, unsettled
from risk_receivers.incidents import table
from risk_receivers.intake.alert import Feed

ABOUT = "drawdown/main"
FIRING, RESOLVED = ("firing", ABOUT), ("resolved", ABOUT)
A_STOP = 3 * 3600


@pytest.fixture
def people() -> Iterator[People]:
    told = People()
    yield told
    told.close()


def looks(people: People) -> int:
    """A service that has just started looks for ends of which nobody was told."""
    routing = people.policy.alerting.routing
    return settle(
        people.transaction, people.teller, unsettled(people.connection, routing, people.now)
    )


def test_who_was_told_of_a_breach_is_told_of_its_end_after_a_long_stop_and_once(
    people: People,
) -> None:
    people.begins(ABOUT)
    people.after(60)
    people.take(Feed.ALERTS, ABOUT, people.messages()[0].severity, firing=False)
    assert looks(people) == 0, "Alertmanager has time to say so itself"
    ended_at = people.now
    people.after(A_STOP, step=A_STOP)  # the service was stopped before that time was over
    assert looks(people) == 1
    assert people.told() == [FIRING, RESOLVED]
    assert f"is resolved since {ended_at:%Y-%m-%d %H:%M:%S} UTC" in people.messages()[-1].text
    assert looks(people) == 0
    assert people.told() == [FIRING, RESOLVED]


def test_what_nobody_was_told_of_and_what_merely_happened_have_no_end_to_be_told(
    people: People,
) -> None:
    severity = people.policy.alerting.default_severity
    people.take(Feed.ALERTS, "drawdown/unheard", severity, firing=True)
    people.take(Feed.ALERTS, "drawdown/unheard", severity, firing=False)
    people.begins("kill_switch/armed", severity, name="KILL_SWITCH_ARMED")
    people.take(Feed.ALERTS, "kill_switch/armed", severity, firing=False, name="KILL_SWITCH_ARMED")
    people.after(A_STOP, step=A_STOP)
    assert looks(people) == 0


def test_a_service_that_goes_on_looks_back_no_further_than_it_has_to(people: People) -> None:
    people.begins(ABOUT)
    people.ends_wholly(ABOUT, Feed.ALERTS)
    ended_at = people.now
    people.after(A_STOP, step=A_STOP)
    routing = people.policy.alerting.routing
    later, before = ended_at + timedelta(hours=2), ended_at + timedelta(minutes=5)
    assert unsettled(people.connection, routing, people.now, later) == []
    (found,) = unsettled(people.connection, routing, people.now, before)
    incident = table.latest(people.connection, ABOUT, "warning")
    assert incident is not None
    assert found.incident == incident.id
