"""An acknowledgement that is over: whoever took it on hears of it, and of what follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from people_told import People

from risk_policy.vocabulary import Severity
from risk_receivers.acks.plan import Planned, of_step
from risk_receivers.acks.recording import record
from risk_receivers.acks.silences import ack_matchers
from risk_receivers.acks.state import Muting, Standing, passed
from risk_receivers.acks.untold import candidates, tell
from risk_receivers.intake.alert import Feed

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
ABOUT = "drawdown/main"
MINUTE = 60


@pytest.fixture
def people() -> Iterator[People]:
    told = People(channels={"chat": WARNING, "phone": CRITICAL})
    yield told
    told.close()


def escalates(people: People) -> None:
    people.begins(ABOUT, CRITICAL, escalation="time")


def is_quiet_for_a_while(people: People) -> None:
    """Somebody takes it on, escalation stops, and the acknowledgement runs out."""
    ack = Muting(
        id=f"silence at {people.now}",
        standing=Standing.ACTIVE,
        matchers=ack_matchers(ABOUT, "warning"),
        starts_at=people.now,
        ends_at=people.now + timedelta(minutes=10),
        author="phone",
        comment="looking",
        made_at=people.now,
        tiers=("warning",),
        incident=f"{ABOUT}:warning:1",
    )
    record(people.transaction, people.teller.outbox, [Planned(None, ack)])
    people.after(MINUTE, MINUTE)
    people.take(Feed.ALERTS, ABOUT, CRITICAL, firing=False, escalation="time")
    people.after(9 * MINUTE, MINUTE)
    over = of_step(ack, passed(ack, people.now), ())
    record(people.transaction, people.teller.outbox, over)
    people.after(5 * MINUTE, MINUTE)


def kinds(people: People, channel: str) -> list[str]:
    return [kind for kind, _ in people.told(channel)]


def test_whoever_was_told_of_the_worst_hears_that_nobody_has_taken_it_on_any_more(
    people: People,
) -> None:
    people.begins(ABOUT)
    escalates(people)
    is_quiet_for_a_while(people)
    assert kinds(people, "phone") == ["escalated", "ack_lost"]
    assert kinds(people, "chat") == ["firing", "escalated", "ack_lost"]
    first, _, lost = people.messages("chat")
    said = ("summary", "runbook_url", "tier", "category", "action")
    assert [getattr(lost, name) for name in said] == [getattr(first, name) for name in said]
    assert lost.summary


@pytest.mark.parametrize("hands_over", [True, False])
def test_what_counts_as_worse_again_afterwards_is_told_again_and_so_is_the_end(
    people: People,
    hands_over: bool,
) -> None:
    people.begins(ABOUT)
    escalates(people)
    for _ in range(2):
        is_quiet_for_a_while(people)
        if hands_over:
            escalates(people)
            people.take(Feed.NOTIFICATIONS, ABOUT, CRITICAL, firing=True, escalation="time")
        else:  # Alertmanager takes it for a repeat of what it has told of
            people.take(Feed.ALERTS, ABOUT, CRITICAL, firing=True, escalation="time")
            tell(people.transaction, people.teller, candidates(people.connection), people.now)
        assert candidates(people.connection) == []
    again = ["ack_lost", "escalated"]
    assert kinds(people, "phone") == ["escalated", *again, *again]
    people.ends_wholly(ABOUT, Feed.ALERTS, Feed.NOTIFICATIONS)
    assert kinds(people, "phone")[-1] == "resolved"


def test_an_escalation_that_comes_and_goes_by_itself_is_told_once(people: People) -> None:
    people.begins(ABOUT)
    for _ in range(3):
        escalates(people)
        people.after(MINUTE, MINUTE)
        people.take(Feed.ALERTS, ABOUT, CRITICAL, firing=False, escalation="time")
    assert kinds(people, "phone") == ["escalated"]
