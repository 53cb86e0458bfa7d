"""A Telegram group that becomes a supergroup: the same people press under the same messages."""

from __future__ import annotations

from telegram_rig import Rig, presses
from telegram_stand_in import CHAT

from risk_receivers.channels.message import Kind

GROUP = "-52"


def test_who_may_press_in_a_group_may_press_in_what_it_became_and_after_a_restart(
    rig: Rig,
) -> None:
    rig.telegram.moved[GROUP] = int(CHAT)
    rig.listen(GROUP).round()
    rig.press("Ack 1 h")
    assert rig.behind.metric(presses("refused")) == 1, "nobody knows of any supergroup"

    rig.tell(number=8, chat=GROUP, kind=Kind.ESCALATED)
    rig.press("Ack 1 h")
    assert rig.behind.metric(presses("acknowledged")) == 1
    rig.behind.restart()
    rig.listen(GROUP)
    rig.press("Un-ack")
    assert rig.behind.metric(presses("taken_back")) == 1


def test_no_other_chat_counts_for_that_and_none_by_what_a_press_says(rig: Rig) -> None:
    rig.telegram.moved["-77"] = int(CHAT)  # which the policy does not name
    rig.listen(GROUP)
    rig.tell(number=8, chat="-77", kind=Kind.ESCALATED)
    rig.press("Ack 1 h")
    rig.press("Ack 1 h", chat=-666)
    assert rig.behind.metric(presses("refused")) == 2
    assert rig.behind.acks() == []
