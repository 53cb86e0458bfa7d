"""Telegram messages: whole whatever they say and however long, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loopback_http import Received, Reply
from owed_messages import as_told, owed, saying
from telegram_stand_in import CHAT, TOKEN, TelegramStandIn, failure

from risk_receivers.channels.errors import RefusedDeliveryError, TemporaryDeliveryError
from risk_receivers.channels.rendered import Render, Rendered
from risk_receivers.channels.telegram import TelegramChannel

Make = Callable[..., TelegramChannel]
LONG = "\n".join(f"<b>line {n}</b>: 5 &lt; 6 😀" for n in range(500))


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def make(telegram: TelegramStandIn) -> Make:
    def made(render: Render = as_told, chat: str = CHAT, token: str = TOKEN) -> TelegramChannel:
        return TelegramChannel(
            render=render, bot_token=token, chat_id=chat, api_url=telegram.url, timeout_seconds=5
        )

    return made


def texts(telegram: TelegramStandIn) -> list[str]:
    return [text for _, text in telegram.sent]


def test_a_message_arrives_as_people_read_it(telegram: TelegramStandIn, make: Make) -> None:
    make(saying("<b>Drawdown</b> 5 &lt; 6 &amp; more")).deliver(owed())
    assert telegram.sent == [(CHAT, "Drawdown 5 < 6 & more")]
    (asked,) = telegram.asked
    assert asked["parse_mode"] == "HTML"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(), max_size=300))
def test_escaped_text_is_never_misread(telegram: TelegramStandIn, make: Make, text: str) -> None:
    telegram.asked.clear()
    make(saying(f"<b>told {escape(text)}</b>")).deliver(owed())
    assert all("parse_mode" in asked for asked in telegram.asked)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.sampled_from("<>/b&;a \n\"'=😀\ud83d\0"), max_size=60))
@example("<a")
def test_markup_that_telegram_cannot_read_arrives_as_plain_text(
    telegram: TelegramStandIn, make: Make, text: str
) -> None:
    telegram.sent.clear()
    make(saying(f"{text} told")).deliver(owed())
    assert len(telegram.sent) == 1


def test_what_cannot_be_parsed_is_sent_again_without_markup(
    telegram: TelegramStandIn, make: Make
) -> None:
    make(saying("<b>5 &lt; 6</b> <blink>now</blink>")).deliver(owed())
    assert texts(telegram) == ["5 < 6 now"]
    assert ["parse_mode" in asked for asked in telegram.asked] == [True, False]


def test_a_long_message_arrives_in_parts_that_say_everything(
    telegram: TelegramStandIn, make: Make
) -> None:
    make(saying(LONG)).deliver(owed())
    assert len(telegram.sent) > 2
    assert all("parse_mode" in asked for asked in telegram.asked)
    said = "\n".join(text.strip() for text in texts(telegram))
    assert said.splitlines() == [f"line {n}: 5 < 6 😀" for n in range(500)]


def test_a_message_whose_tags_leave_no_room_arrives_as_plain_text(
    telegram: TelegramStandIn, make: Make
) -> None:
    make(saying(f'<a href="http://{"x" * 5000}">the runbook</a>')).deliver(owed())
    assert texts(telegram) == ["the runbook"]


@pytest.mark.parametrize("text", ["", " \n", "<b> </b>", "\0"])
def test_a_message_without_text_does_not_count_as_told(
    telegram: TelegramStandIn, make: Make, text: str
) -> None:
    with pytest.raises(RefusedDeliveryError, match="nothing to say") as caught:
        make(saying(text)).deliver(owed())
    assert not caught.value.whole_channel
    assert telegram.sent == []


@pytest.mark.parametrize("failed", range(3))
def test_parts_that_arrived_are_not_sent_again_and_the_rest_in_the_words_it_began_with(
    telegram: TelegramStandIn, make: Make, failed: int
) -> None:
    rendered = iter([LONG, "<i>other words by now</i>"])
    channel = make(lambda _: Rendered("subject", next(rendered)))
    make(saying(LONG)).deliver(owed(1))
    whole = texts(telegram)
    telegram.sent.clear()
    taken = telegram.answer
    refusals = [failure(502, "Bad Gateway")]

    def answer(received: Received) -> Reply:
        if len(telegram.sent) == failed and refusals:
            return refusals.pop()
        return taken(received)

    telegram.instead = answer
    with pytest.raises(TemporaryDeliveryError):
        channel.deliver(owed(2))
    assert len(telegram.sent) == failed
    channel.deliver(owed(2))
    assert texts(telegram) == whole


def test_a_flood_is_waited_out_as_long_as_telegram_says(
    telegram: TelegramStandIn, make: Make
) -> None:
    telegram.next.append(failure(429, "Too Many Requests: retry after 34", retry_after=34))
    with pytest.raises(TemporaryDeliveryError, match="retry after 34") as caught:
        make().deliver(owed())
    assert caught.value.retry_after_seconds == 34


@pytest.mark.parametrize(
    "reply",
    [
        failure(500, "Internal Server Error"),
        Reply(502, "<html>Bad Gateway</html>"),
        Reply(503, b"\xff\xfe\x00", {"Retry-After": "7"}),
    ],
)
def test_what_telegram_may_take_later(telegram: TelegramStandIn, make: Make, reply: Reply) -> None:
    telegram.next.append(reply)
    with pytest.raises(TemporaryDeliveryError) as caught:
        make().deliver(owed())
    assert caught.value.retry_after_seconds == (7 if reply.headers else None)
    make().deliver(owed())
    assert len(telegram.sent) == 1


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, "Unauthorized"),
        failure(403, "Forbidden: bot was blocked by the user"),
        failure(403, "Forbidden: bot was kicked from the supergroup chat"),
        failure(404, "Not Found"),
        failure(400, "Bad Request: chat not found"),
        failure(400, "Bad Request: not enough rights to send text messages to the chat"),
        failure(400, "Bad Request: group chat was deactivated"),
        Reply(200, "<html>Sign in to the hotel's network</html>"),
        Reply(200, b'{"ok": "\xff"}'),
        Reply(302, ""),
    ],
)
def test_what_concerns_the_bot_or_the_chat_is_refused_for_every_message(
    telegram: TelegramStandIn, make: Make, reply: Reply
) -> None:
    telegram.next.append(reply)
    with pytest.raises(RefusedDeliveryError, match=f"Telegram answered {reply.status}") as caught:
        make().deliver(owed())
    assert caught.value.whole_channel


def test_what_concerns_the_message_is_refused_for_it_alone(
    telegram: TelegramStandIn, make: Make
) -> None:
    telegram.next.append(failure(400, "Bad Request: message is too long"))
    with pytest.raises(RefusedDeliveryError, match="too long") as caught:
        make().deliver(owed())
    assert not caught.value.whole_channel


def test_a_group_that_became_a_supergroup_is_followed(
    telegram: TelegramStandIn, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    telegram.moved["-52"] = int(CHAT)
    channel = make(chat="-52")
    channel.deliver(owed(1))
    channel.deliver(owed(2))
    assert [chat for chat, _ in telegram.sent] == [CHAT, CHAT]
    assert [asked["chat_id"] for asked in telegram.asked] == ["-52", CHAT, CHAT]
    assert f"write {CHAT} into alerting.channels.telegram.chat_id" in caplog.text


def test_groups_that_move_in_a_circle_are_given_up(telegram: TelegramStandIn, make: Make) -> None:
    telegram.moved.update({"-1": -2, "-2": -1})
    with pytest.raises(RefusedDeliveryError, match="supergroup") as caught:
        make(chat="-1").deliver(owed())
    assert caught.value.whole_channel


def test_a_check_asks_for_bot_and_chat_and_writes_nothing(
    telegram: TelegramStandIn, make: Make
) -> None:
    make().check()
    telegram.moved["-52"] = int(CHAT)
    make(chat="-52").check()
    with pytest.raises(RefusedDeliveryError, match="chat not found"):
        make(chat="-3").check()
    with pytest.raises(RefusedDeliveryError, match="Unauthorized"):
        make(token="1:wrong").check()
    assert telegram.asked == []
