"""Where buttons stand in Telegram: under the last part of what can be acknowledged."""

from __future__ import annotations

from owed_messages import saying
from telegram_rig import Rig
from telegram_stand_in import failure

from risk_receivers.channels.message import Kind


def test_buttons_stand_under_the_last_part_of_a_long_message_which_stays_within_bounds(
    rig: Rig,
) -> None:
    rig.tell(saying("\n".join(f"<b>line {n}</b> 😀" for n in range(1000))), number=8)
    numbers = sorted(rig.telegram.messages)[1:]
    assert [bool(rig.telegram.messages[n].get("reply_markup")) for n in numbers] == [
        *[False] * (len(numbers) - 1),
        True,
    ]
    rig.press("Ack 1 h")
    assert "Acknowledged by" in rig.telegram.text


def test_people_are_told_without_buttons_if_telegram_takes_none(rig: Rig) -> None:
    refused = [failure(400, "Bad Request: BUTTON_DATA_INVALID")]
    taken = rig.telegram.answer
    rig.telegram.instead = lambda received: refused.pop() if refused else taken(received)
    rig.tell(number=8)
    assert len(rig.telegram.sent) == 2
    assert rig.telegram.labels() == {}


def test_what_cannot_be_acknowledged_has_no_buttons(rig: Rig) -> None:
    rig.tell(kind=Kind.RESOLVED, number=8)
    assert "reply_markup" not in rig.telegram.asked[-1]
