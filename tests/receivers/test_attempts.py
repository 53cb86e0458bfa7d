"""A message that may have come before says so wherever people or programs can read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_http import Received, Reply
from msgspec import structs
from owed_messages import as_told, owed, saying
from telegram_stand_in import CHAT, TelegramStandIn
from telegram_stand_in import TOKEN as BOT
from twilio_stand_in import ACCOUNT, FROM, TOKEN, TwilioStandIn

from risk_policy import parse_policy
from risk_receivers.channels.attempts import Attempts
from risk_receivers.channels.errors import TemporaryDeliveryError
from risk_receivers.channels.mail import compose
from risk_receivers.channels.message import Owed
from risk_receivers.channels.sms import SmsChannel
from risk_receivers.channels.telegram import TelegramChannel
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Writer
from risk_receivers.templating.parts import PARTS
from risk_receivers.templating.renderer import Renderer


def tried(attempt: int) -> Owed:
    first = owed()
    return Owed(first.id, first.message, first.head, attempt)


@pytest.mark.parametrize("channel", sorted(PARTS))
def test_the_words_say_that_a_message_may_have_come_before(channel: str) -> None:
    renderer = Renderer()
    try:
        first, second = (renderer.render_for(channel)(tried(n)) for n in (1, 2))
    finally:
        renderer.close()
    assert "again" not in first.text
    assert "before" not in first.text
    assert "may have come before" in second.text or "(again)" in second.text
    assert first.subject == second.subject


def test_a_mail_that_is_sent_again_is_the_same_mail_and_says_so() -> None:
    first, second = (
        compose(tried(n), as_told(tried(n)), "a@example.com", ["b@example.com"]) for n in (1, 2)
    )
    assert first["Message-ID"] == second["Message-ID"]
    assert first["X-Riskwarden-Attempt"] is None
    assert second["X-Riskwarden-Attempt"] == "2"


def test_tries_are_counted_across_restarts_and_when_nothing_can_be_kept(tmp_path: Path) -> None:
    policy = parse_policy(b"").alerting
    for expected in (1, 2):
        writer = Writer(
            tmp_path / "audit.db",
            origin="test",
            retention=policy.audit.retention,
            schema=SCHEMA,
            batch=policy.intake.commit_batch,
            queue_depth=policy.intake.queue_depth,
        )
        writer.start()
        attempts = Attempts(writer)
        assert attempts.begin(7) == expected
        writer.stop()
    assert attempts.begin(7) == 3, "nobody waits for a store that keeps nothing"
    assert attempts.begin(8) == 1
    attempts.confirmed(7)
    assert attempts.begin(7) == 1


@pytest.mark.parametrize("text", ["<b>12</b> %", "5 < 6 <b>"], ids=["html", "plain"])
def test_a_part_that_may_have_arrived_says_so_when_it_is_sent_again(text: str) -> None:
    with TelegramStandIn() as telegram:
        channel = TelegramChannel(
            render=saying(text + "\n" + "x " * 3000),
            bot_token=BOT,
            chat_id=CHAT,
            api_url=telegram.url,
            timeout_seconds=5,
        )
        telegram.instead = losing_the_answer(telegram, 1)
        with pytest.raises(TemporaryDeliveryError):
            channel.deliver(tried(1))
        telegram.next.append(Reply(429, '{"ok": false}'))
        with pytest.raises(TemporaryDeliveryError):
            channel.deliver(tried(2))
        channel.deliver(tried(3))
        first, again, *others = [text for _, text in telegram.sent]
        assert "before" not in first
        assert again == f"try 3: it may have come before\n{first}"
        assert others
        assert not any("before" in other for other in others), "nobody had sent those"
        channel.deliver(structs.replace(tried(2), id="another"))
        assert telegram.sent[-1][1] == others[-1], "what was not sent before has not come before"


def test_a_number_that_may_have_been_told_reads_so_when_it_is_told_again() -> None:
    with TwilioStandIn() as twilio:
        channel = SmsChannel(
            render=saying("x" * 1600),
            account_sid=ACCOUNT,
            auth_token=TOKEN,
            from_number=FROM,
            to_numbers=["+15005550011", "+15005550022"],
            api_url=twilio.url,
            timeout_seconds=5,
        )
        twilio.instead = losing_the_answer(twilio, 1)
        with pytest.raises(TemporaryDeliveryError):
            channel.deliver(tried(1))
        twilio.next.append(Reply(429, "later"))
        with pytest.raises(TemporaryDeliveryError):
            channel.deliver(tried(2))
        channel.deliver(tried(3))
        assert [(number[-2:], body.startswith("(again) x")) for number, body in twilio.sent] == [
            ("11", False),
            ("11", True),
            ("22", False),
        ]


def losing_the_answer(
    server: TelegramStandIn | TwilioStandIn, times: int
) -> Callable[[Received], Reply]:
    """It takes what comes, and so often the confirmation does not arrive."""
    left = [Reply(manner="cut")] * times

    def answer(received: Received) -> Reply:
        taken = server.answer(received)
        return left.pop() if left else taken

    return answer
