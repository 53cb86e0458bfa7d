"""Text messages: everybody on the list is told, and told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_http import Received, Reply
from owed_messages import as_told, owed, saying
from twilio_stand_in import ACCOUNT, FROM, TOKEN, TwilioStandIn, failure

from risk_receivers.channels.errors import (
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.sms import SmsChannel

ANN, BOB, EVE = "+15005550011", "+15005550022", "+15005550033"
Make = Callable[..., SmsChannel]


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as server:
        yield server


@pytest.fixture
def make(twilio: TwilioStandIn) -> Make:
    def made(
        render: Render = as_told,
        numbers: tuple[str, ...] = (ANN, BOB, EVE),
        token: str = TOKEN,
        sender: str = FROM,
    ) -> SmsChannel:
        return SmsChannel(
            render=render,
            account_sid=ACCOUNT,
            auth_token=token,
            from_number=sender,
            to_numbers=numbers,
            api_url=twilio.url,
            timeout_seconds=5,
        )

    return made


def told(twilio: TwilioStandIn) -> list[str]:
    return [number for number, _ in twilio.sent]


def test_everybody_is_told_once(twilio: TwilioStandIn, make: Make) -> None:
    make(numbers=(ANN, BOB, ANN)).deliver(owed())
    assert twilio.sent == [(ANN, "drawdown is 12 %"), (BOB, "drawdown is 12 %")]


@pytest.mark.parametrize("failed", range(3))
@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, "oops"),
        failure(429, 20429, "Too many requests"),
        failure(400, 21611, "This 'From' number has exceeded the maximum number of queued"),
        Reply(manner="cut"),
    ],
)
def test_a_try_that_fails_in_the_middle_goes_on_with_those_who_were_not_told(
    twilio: TwilioStandIn, make: Make, failed: int, reply: Reply
) -> None:
    channel = make()
    taken = twilio.answer
    failures = [reply]

    def answer(received: Received) -> Reply:
        if len(twilio.sent) == failed and failures:
            return failures.pop()
        return taken(received)

    twilio.instead = answer
    with pytest.raises(TemporaryDeliveryError):
        channel.deliver(owed())
    channel.deliver(owed())
    assert sorted(told(twilio)) == [ANN, BOB, EVE]


def test_a_number_that_fails_every_time_does_not_keep_the_others_waiting(
    twilio: TwilioStandIn, make: Make
) -> None:
    twilio.errors[ANN] = (500, 20500, "Internal Server Error")
    channel = make()
    for _ in range(2):
        with pytest.raises(TemporaryDeliveryError):
            channel.deliver(owed())
    assert told(twilio) == [BOB, EVE]


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (400, 21211, f"The 'To' number {BOB} is not a valid phone number"),
        (403, 21408, "Permission to send an SMS has not been enabled for the region"),
        (400, 21608, f"The number {BOB} is unverified"),
        (400, 21610, "Attempt to send to unsubscribed recipient"),
        (400, 21614, "'To' number is not a valid mobile number"),
        (400, 29999, "something new about this request"),
    ],
)
def test_a_number_that_is_refused_keeps_nobody_else_from_being_told(
    twilio: TwilioStandIn, make: Make, status: int, code: int, text: str
) -> None:
    twilio.errors[BOB] = (status, code, text)
    channel = make()
    with pytest.raises(PartlyRefusedError, match=rf"2 of 3 numbers were told; .*{code}") as caught:
        channel.deliver(owed())
    assert "ending 0022" in str(caught.value)
    assert BOB not in str(caught.value)
    assert told(twilio) == [ANN, EVE]
    del twilio.errors[BOB]  # and once it is put right, sending it again tells the one who was not
    channel.deliver(owed())
    assert told(twilio) == [ANN, EVE, BOB]


@pytest.mark.parametrize(
    ("more", "code"), [({"token": "wrong-token-0123"}, 20003), ({"sender": "+15005550001"}, 21212)]
)
def test_what_concerns_the_account_or_the_sender_is_refused_for_every_message(
    twilio: TwilioStandIn, make: Make, more: dict[str, str], code: int
) -> None:
    with pytest.raises(RefusedDeliveryError, match=str(code)) as caught:
        make(**more).deliver(owed())
    assert caught.value.whole_channel
    assert len(twilio.received) == 1


def test_a_flood_is_waited_out(twilio: TwilioStandIn, make: Make) -> None:
    twilio.next.append(Reply(429, '{"code": 20429, "message": "Too many"}', {"Retry-After": "9"}))
    with pytest.raises(TemporaryDeliveryError) as caught:
        make().deliver(owed())
    assert caught.value.retry_after_seconds == 9


@pytest.mark.parametrize("body", ["", "<html>", '{"status": "queued"}', b"\xff"])
def test_an_answer_that_does_not_confirm_is_no_delivery(
    twilio: TwilioStandIn, make: Make, body: str | bytes
) -> None:
    twilio.next.append(Reply(200, body))
    with pytest.raises(RefusedDeliveryError) as caught:
        make().deliver(owed())
    assert caught.value.whole_channel


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(), max_size=50), st.integers(1, 200))
def test_a_text_of_any_length_is_taken(
    twilio: TwilioStandIn, make: Make, text: str, times: int
) -> None:
    twilio.sent.clear()
    make(saying(f"told {text * times}"), numbers=(ANN,)).deliver(owed())
    ((_, body),) = twilio.sent
    assert body.strip()


def test_a_long_text_shows_that_it_was_cut(twilio: TwilioStandIn, make: Make) -> None:
    make(saying("😀" * 1000), numbers=(ANN,)).deliver(owed())
    assert twilio.sent == [(ANN, "😀" * 798 + "...")]


def test_a_check_asks_for_the_account_and_sends_nothing(twilio: TwilioStandIn, make: Make) -> None:
    make().check()
    twilio.status = "suspended"
    with pytest.raises(RefusedDeliveryError, match="the account is suspended") as caught:
        make().check()
    assert caught.value.whole_channel
    with pytest.raises(RefusedDeliveryError, match="Authenticate"):
        make(token="wrong-token-0123").check()
    assert twilio.sent == []
