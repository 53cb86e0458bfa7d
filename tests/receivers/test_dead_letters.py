"""What was given up is seen, sent again once, or dismissed, and each of it is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from channels_desk import LATE, SOON, TO_MAIL, Desk, desk_in

from risk_policy.vocabulary import Severity
from risk_receivers.audit.query import events
from risk_receivers.channels.dead_letters import Fate, ResendError, dismiss, resend, resend_all
from risk_receivers.channels.failover import give_up
from risk_receivers.channels.message import Kind
from risk_receivers.channels.outbox import mark_delivered
from risk_receivers.schema import to_text

Wait = Callable[..., Any]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with desk_in(tmp_path, monkeypatch) as made:
        yield made


def owed_in_vain(desk: Desk, *, mail_says: str) -> None:
    """Slack refuses a message for good, and mail, which takes it over, in these words."""
    desk.breaks(400, "no_text")
    desk.postbox.to_mail = mail_says
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")


def test_a_late_confirmation_is_one(desk: Desk) -> None:
    desk.open(SOON + TO_MAIL)
    desk.owe("drawdown is 12 %")
    at = to_text(datetime.now(UTC))
    desk.run(
        lambda transaction: transaction.connection.execute(
            "INSERT INTO dead_message VALUES (1, ?, 'late')", (at,)
        )
    )
    assert desk.lost() == {"slack": 1}
    desk.run(lambda transaction: mark_delivered(transaction.connection, 1, transaction.now))
    assert desk.dead() == []


def test_what_is_lost_is_sent_again_once_on_record_and_nothing_that_people_have(
    desk: Desk, wait_until: Wait
) -> None:
    owed_in_vain(desk, mail_says="554 it looks like spam")
    wait_until(lambda: desk.lost() == {"slack": 1, "email": 1}, what="both refused it")

    desk.slack.instead = None
    (one,) = desk.run(lambda it: resend_all(it, ["slack", "email"], actor="olga"))
    assert (one.number, one.channel) == (1, "slack"), "the same news goes out once"
    desk.wake()
    wait_until(desk.slacked, what="it is delivered")
    wait_until(lambda: desk.dead() == [("email", Fate.DELIVERED, "slack")])
    assert desk.lost() == {}
    assert desk.run(lambda it: resend_all(it, ["slack", "email"], actor="olga")) == []
    again = [e for e in events(desk.database, 0, 99) if e.event_type == "NOTIFICATION_RESENT"]
    assert [e.payload and e.payload.actor_id for e in again] == ["olga"]

    for number, said in ((2, "confirmed by slack; people have it"), (3, "was not given up")):
        with pytest.raises(ResendError, match=said):
            desk.run(partial(resend, number=number, channels=["email"], actor="olga"))
    assert len(desk.slack.posted) == 1


def test_what_is_on_its_way_elsewhere_or_has_no_channel_any_more_is_not_sent_again(
    desk: Desk, wait_until: Wait
) -> None:
    owed_in_vain(desk, mail_says="451 later")
    wait_until(lambda: desk.dead() == [("slack", Fate.TAKEN_OVER, "email")])
    with pytest.raises(ResendError, match="on its way"):
        desk.run(partial(resend, number=1, channels=["slack"], actor="olga"))
    assert desk.lost() == {}
    desk.run(lambda it: give_up(it, {}, 2, "by hand"))
    with pytest.raises(ResendError, match="slack of message 1 is not enabled"):
        desk.run(partial(resend, number=1, channels=["email"], actor="olga"))

    assert desk.lost() == {"slack": 1, "email": 1}
    desk.run(partial(dismiss, number=1, actor="olga", comment="yesterday's news"))
    assert desk.lost() == {"email": 1}
    assert desk.dead()[1] == ("slack", Fate.DISMISSED, "")
    with pytest.raises(ResendError, match="dismissed"):
        desk.run(partial(dismiss, number=1, actor="olga", comment="again"))
    last = events(desk.database, 0, 99)[-1]
    assert last.event_type == "NOTIFICATION_DISMISSED"
    assert last.payload is not None
    assert last.payload.action_reason == "yesterday's news"


def test_who_was_refused_is_seen_to_by_somebody_and_nobody_else_is_told_twice(
    desk: Desk, wait_until: Wait
) -> None:
    gone, there = "gone@example.com", "there@example.com"
    desk.postbox.recipients[gone] = "550 no such user"
    # Slack would take over from mail what that refuses for good.
    desk.open(LATE, email='fallback = ["slack"]\n', to=(gone, there)).start()
    news: dict[str, Any] = {"severity": Severity.EMERGENCY, "only": ["email"]}
    desk.owe("drawdown is 22 %", **news)
    desk.owe("drawdown is 23 %", kind=Kind.ESCALATED, **news)
    wait_until(lambda: desk.lost() == {"email": 2}, what="somebody has to see to it")
    assert desk.dead() == [("email", Fate.PARTLY, "")] * 2
    assert [mail.strip() for mail in desk.mails()] == ["drawdown is 22 %", "drawdown is 23 %"]
    assert desk.postbox.reached == [there, there]
    assert "NOTIFICATION_FAILED_OVER" not in desk.history()
    (failed, _) = [e for e in events(desk.database, 0, 99) if e.event_type == "NOTIFICATION_FAILED"]
    assert failed.payload is not None
    assert "did not reach all it is for: 1 of 2 recipients have the mail" in failed.payload.message
    assert desk.metric('risk_channel_up{channel="email"}') == 1, "it works for all others"

    desk.postbox.recipients.clear()
    channels = ["email", "slack"]
    assert desk.run(lambda it: resend_all(it, channels, actor="olga")) == [], "some were told"
    first, second = sorted(number for (number,) in desk.rows("SELECT id FROM dead_message"))
    desk.run(partial(resend, number=first, channels=channels, actor="olga"))
    desk.wake()
    wait_until(lambda: len(desk.postbox.reached) == 3, what="who was refused has it now")
    assert desk.postbox.reached[-1] == gone
    desk.run(partial(dismiss, number=second, actor="olga", comment="told by phone"))
    assert desk.lost() == {}
