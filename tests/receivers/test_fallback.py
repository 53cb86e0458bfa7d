"""What a channel does not deliver the next one takes over, on record, and nobody is told twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from channels_desk import LATE, SOON, TO_MAIL, Desk, desk_in
from loopback_http import Received, Reply

from risk_policy.vocabulary import Severity
from risk_receivers.audit.query import events
from risk_receivers.channels.dead_letters import Fate
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Transaction

Wait = Callable[..., Any]
FAILED_OVER = "NOTIFICATION_FAILED_OVER"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with desk_in(tmp_path, monkeypatch) as made:
        yield made


def test_what_slack_does_not_confirm_in_time_arrives_by_mail_and_stays_visible(
    desk: Desk, wait_until: Wait
) -> None:
    desk.breaks(503, "down")
    desk.open(SOON + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    wait_until(desk.mails, what="the mail took over")
    assert "drawdown is 12 %" in desk.mails()[0]
    wait_until(lambda: desk.dead() == [("slack", Fate.DELIVERED, "email")])
    assert desk.lost() == {}
    assert trouble_of(desk) == ["NOTIFICATION_FAILED", FAILED_OVER]
    (over,) = [e for e in events(desk.database, 0, 10) if e.event_type == FAILED_OVER]
    assert over.payload is not None
    details = over.payload.details
    assert (details["channel"], details["to"]) == ("slack", "email")
    assert "not confirmed within 1.5 s" in str(details["reason"])
    failovers = 'risk_channel_failovers_total{channel="slack",to="email"}'
    wait_until(lambda: desk.metric(failovers) == 1)
    assert desk.metric('risk_channel_up{channel="slack"}') == 0
    wait_until(lambda: desk.metric('risk_channel_up{channel="email"}') == 1)

    desk.slack.instead = None
    desk.owe("leverage is 4")
    wait_until(desk.slacked, what="Slack is back")
    assert "drawdown" not in str(desk.slack.posted), "the mail has said that"
    wait_until(lambda: desk.metric('risk_channel_up{channel="slack"}') == 1)


def test_a_rate_limit_that_ends_in_time_is_a_pause_and_no_failure(
    desk: Desk, wait_until: Wait
) -> None:
    desk.slack.next.append(Reply(429, "rate_limited", {"Retry-After": "1"}))
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    deferred = 'risk_messages_total{channel="slack",outcome="deferred"}'
    wait_until(lambda: desk.metric(deferred) == 1)
    assert desk.metric('risk_channel_up{channel="slack"}') != 0, "nothing speaks against it"
    wait_until(desk.slacked, what="Slack has it, after the pause")
    assert desk.metric('risk_messages_total{channel="slack",outcome="failed"}') == 0
    assert not desk.mails()


def test_a_rate_limit_that_lasts_too_long_is_a_failure_and_mail_takes_over(
    desk: Desk, wait_until: Wait
) -> None:
    desk.slack.instead = lambda _: Reply(429, "rate_limited", {"Retry-After": "60"})
    desk.open(SOON + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    wait_until(desk.mails, what="the mail took over")
    wait_until(lambda: desk.metric('risk_channel_up{channel="slack"}') == 0)
    assert desk.metric('risk_messages_total{channel="slack",outcome="deferred"}') == 0


def test_a_channel_that_hangs_holds_back_nothing_from_the_next(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open(SOON + TO_MAIL).start()
    desk.slack.next.append(Reply(manner="never"))
    desk.owe("drawdown is 12 %")
    wait_until(desk.mails, seconds=4, what="before Slack's request is over")


def test_what_slack_refuses_goes_on_at_once_from_channel_to_channel(
    desk: Desk, wait_until: Wait
) -> None:
    desk.breaks(400, "no_text")
    desk.postbox.recipients["desk@example.com"] = "550 nobody here"
    desk.open(LATE + 'fallback = ["email", "webhook"]').start()
    desk.owe("drawdown is 12 %")
    wait_until(lambda: desk.webhook.received, what="the last in the list has it")
    wait_until(lambda: [one[1] for one in desk.dead()] == [Fate.DELIVERED] * 2)
    assert [one[0] for one in desk.dead()] == ["email", "slack"]
    assert trouble_of(desk) == ["NOTIFICATION_FAILED", FAILED_OVER] * 2


def test_a_wrong_address_hands_everything_over_and_the_channel_counts_as_down(
    desk: Desk, wait_until: Wait
) -> None:
    desk.breaks(404, "no_service")
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    desk.owe("leverage is 4")
    wait_until(lambda: len(desk.mails()) == 2)
    assert desk.metric('risk_channel_up{channel="slack"}') == 0
    assert desk.metric('risk_messages_total{channel="slack",outcome="failed"}') == 2


def test_an_emergency_goes_to_all_at_once_and_a_dead_channel_catches_up(
    desk: Desk, wait_until: Wait
) -> None:
    desk.breaks(503, "down")
    desk.open(SOON + TO_MAIL).start()
    desk.owe("KILL", severity=Severity.EMERGENCY)
    wait_until(lambda: desk.mails() and desk.webhook.received)
    wait_until(lambda: len(desk.slack.received) > 2, what="it is tried past its deadline")
    assert desk.dead() == [], "all of them were told already: there is nothing to take over"
    desk.slack.instead = None
    wait_until(desk.slacked, seconds=30)
    assert (len(desk.mails()), len(desk.webhook.received)) == (1, 1)


def test_an_emergency_overtakes_all_but_what_was_said_before_about_the_same(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open(LATE)
    desk.owe("b fires", subject="b")
    desk.owe("a fires", subject="a")
    desk.owe(
        "a counts as an emergency", subject="a", severity=Severity.EMERGENCY, kind=Kind.ESCALATED
    )
    desk.start()
    wait_until(lambda: len(desk.slacked()) == 3)
    said = [str(one) for one in desk.slack.posted]
    assert ["a fires" in said[0], "a counts" in said[1], "b fires" in said[2]] == [True] * 3


def test_an_emergency_overtakes_what_is_being_worked_off(desk: Desk, wait_until: Wait) -> None:
    desk.open(LATE)

    def answer(received: Received) -> Reply:
        desk.slack.instead = None
        desk.owe("KILL", severity=Severity.EMERGENCY)
        return desk.slack.answer(received)

    desk.slack.instead = answer
    for number in range(5):
        desk.owe(f"alert {number}")
    desk.start()
    wait_until(lambda: len(desk.slacked()) == 6)
    assert "KILL" in str(desk.slack.posted[1])


def test_a_store_that_takes_nothing_any_more_has_nobody_told_twice_and_all_told_once(
    desk: Desk, wait_until: Wait
) -> None:
    def answer(received: Received) -> Reply:
        if b"refused" in received.body:
            return Reply(400, "too_long")
        head = desk.database.with_name("audit.db.head")
        if head.exists():
            head.rename(head.with_name("taken away"))
        return desk.slack.answer(received)

    desk.slack.instead = answer
    desk.open(LATE)
    texts = [f"alert {number}" for number in range(4)]
    for text in (*texts[:2], "refused", *texts[2:]):
        desk.owe(text)
    desk.start()
    # What is refused cannot be given up, and is tried again; by then all others had their turns.
    wait_until(lambda: sum(b"refused" in one.body for one in desk.slack.received) == 3)
    said = [str(one) for one in desk.slack.posted]
    assert [sum(text in one for one in said) for text in texts] == [1, 1, 1, 1]


def test_what_was_confirmed_while_the_store_was_held_is_on_record_once_it_is_not(
    desk: Desk, wait_until: Wait
) -> None:
    holder = sqlite3.connect(desk.database, check_same_thread=False, isolation_level=None)

    def answer(received: Received) -> Reply:
        desk.slack.instead = None
        holder.execute("BEGIN IMMEDIATE")
        return desk.slack.answer(received)

    desk.slack.instead = answer
    desk.open(SOON + TO_MAIL)
    desk.owe("one")
    desk.owe("two")
    desk.start()
    with closing(holder):
        wait_until(lambda: len(desk.slacked()) == 2, seconds=30)
        holder.execute("ROLLBACK")
    sent = 'risk_messages_total{channel="slack",outcome="sent"}'
    wait_until(lambda: desk.metric(sent) == 2 and desk.run(nothing_is_owed))
    assert (len(desk.slacked()), desk.mails(), desk.dead()) == (2, [], [])


def trouble_of(desk: Desk) -> list[str]:
    """What is on record of what did not arrive as it should."""
    return [one for one in desk.history() if one != "NOTIFICATION_SENT"]


def nothing_is_owed(transaction: Transaction) -> bool:
    owed = "SELECT count(*) FROM message WHERE delivered_at IS NULL"
    return bool(transaction.connection.execute(owed).fetchone() == (0,))


def test_one_message_that_always_fails_lets_the_others_pass_and_is_given_up_in_the_end(
    desk: Desk, wait_until: Wait
) -> None:
    desk.breaks(503, "overloaded", about="poison")
    desk.open(SOON)
    desk.owe("poison", subject="a")
    desk.owe("a is over", subject="a", kind=Kind.RESOLVED)
    desk.owe("b fires", subject="b")
    desk.owe("c fires", subject="c")
    desk.start()
    wait_until(lambda: len(desk.slacked()) == 2)
    assert "a is over" not in str(desk.slack.posted), "not before it was said that it fires"
    wait_until(lambda: len(desk.slacked()) == 3, seconds=30)
    assert "a is over" in str(desk.slack.posted[2])
    assert desk.dead() == [("slack", Fate.LOST, "")]
    assert desk.lost() == {"slack": 1}
    assert trouble_of(desk) == ["NOTIFICATION_FAILED"]


def test_what_was_due_before_the_start_is_tried_first_and_not_handed_over(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open("deadline_seconds = 2\n" + TO_MAIL)
    desk.owe("from an hour ago", age=timedelta(hours=1))
    desk.start()
    wait_until(desk.slacked)
    assert (desk.dead(), desk.mails()) == ([], [])


@pytest.mark.parametrize("limit", ["channel_failing", "dead_letters"])
def test_that_a_channel_fails_is_told_by_another_whatever_it_takes_otherwise(
    desk: Desk, wait_until: Wait, limit: str
) -> None:
    desk.breaks(503, "down")
    desk.open(LATE + 'fallback = ["webhook"]').start()
    desk.owe("Messages through channel slack fail", risk_id=f"{limit}/slack")
    wait_until(lambda: desk.webhook.received, what="the first to take over tells of it")
    assert desk.webhook.received[0].json["text"] == "Messages through channel slack fail"
    desk.owe("Messages through channel email fail", risk_id=f"{limit}/email")
    with closing(desk.connected()) as connection:
        told = connection.execute("SELECT channel, subject FROM message").fetchall()
    assert len(told) == 3, "Slack takes warnings, so nobody else has to tell that mail fails"
    assert desk.mails() == []


def test_without_fallbacks_whoever_hears_most_is_told_that_a_channel_fails() -> None:
    levels = {"console": Severity.DEBUG, "slack": Severity.WARNING, "sms": Severity.EMERGENCY}
    levels["email"] = Severity.CRITICAL
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        message = Message("s", Kind.FIRING, Severity.WARNING, "T", "x", datetime.now(UTC), 1)
        message = msgspec.structs.replace(message, risk_id="channel_failing/slack")
        Outbox(levels).owe(connection, message)
        told = connection.execute("SELECT channel FROM message ORDER BY channel").fetchall()
    assert [channel for (channel,) in told] == ["console", "email", "slack"]
