"""Acknowledging with a button in Telegram: by whom the policy names, once, and as people see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from owed_messages import owed
from telegram_rig import HEARD, OLGA, Rig, presses
from telegram_stand_in import TOKEN

from risk_policy.clock import utc_now
from risk_receivers.channels.message import Owed
from risk_receivers.schema import to_text

WARNING = "drawdown/main:warning:1"


def test_a_button_acknowledges_and_another_takes_it_back(rig: Rig) -> None:
    assert list(rig.telegram.labels()) == ["Ack 1 h", "Ack 2 h"]
    assert rig.press("Ack 1 h") == 0
    (silence,) = rig.behind.alertmanager.active
    assert (silence["createdBy"], silence["comment"]) == (OLGA, "by Telegram button")
    (ack,) = rig.behind.acks()
    assert timedelta(minutes=59) < ack.ends_at - utc_now() < timedelta(minutes=61)
    (event,) = rig.behind.events("ALERT_ACKNOWLEDGED")
    assert (event.payload.actor_type, event.payload.actor_id) == ("USER", OLGA)
    assert event.payload.alert_id == WARNING
    assert f"Acknowledged until {ack.ends_at:%Y-%m-%d %H:%M:%S} UTC" in rig.telegram.said
    assert rig.telegram.answers[-1]["show_alert"] is False
    assert rig.telegram.text.startswith("drawdown is 12 %\n\n")
    assert f"Acknowledged by {OLGA} until {ack.ends_at:%Y-%m-%d %H:%M:%S} UTC" in rig.telegram.text
    assert rig.telegram.messages[1]["entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    assert list(rig.telegram.labels()) == ["Un-ack"]
    assert rig.behind.metric(presses("acknowledged")) == 1
    assert rig.behind.metric(HEARD) == 1

    rig.press("Un-ack", user=43, name="Pavel")
    assert rig.behind.alertmanager.active == []
    assert rig.behind.acks() == []
    (event,) = rig.behind.events("ALERT_ACK_ENDED")
    assert event.payload.actor_id == "telegram:43 Pavel"
    assert "Taken back by telegram:43 Pavel" in rig.telegram.text
    assert "Acknowledged by" not in rig.telegram.text
    assert list(rig.telegram.labels()) == ["Ack 1 h", "Ack 2 h"]


def test_the_policys_time_is_what_the_other_button_asks_for(rig: Rig) -> None:
    rig.press("Ack 2 h")
    (ack,) = rig.behind.acks()
    assert timedelta(minutes=119) < ack.ends_at - utc_now() < timedelta(minutes=121)
    assert "while it goes on until" in rig.telegram.text


def test_who_presses_second_is_told_who_was_first(rig: Rig) -> None:
    other = rig.telegram.labels()["Ack 2 h"]
    rig.press("Ack 1 h")
    for user in (42, 43):  # their screens still show the old buttons
        rig.press(other, user=user)
        assert f"Already acknowledged by {OLGA} until" in rig.telegram.said
    assert len(rig.behind.alertmanager.silences) == 1
    assert rig.behind.metric(presses("already")) == 2


def test_what_was_taken_back_already_is_not_taken_back_again(rig: Rig) -> None:
    rig.press("Ack 1 h")
    back = rig.telegram.labels()["Un-ack"]
    rig.press(back)
    rig.press(back, user=43)
    assert rig.telegram.said == "It is not acknowledged any more."
    assert list(rig.telegram.labels()) == ["Ack 1 h", "Ack 2 h"]
    assert rig.behind.metric(presses("not_acknowledged")) == 1


@pytest.mark.parametrize(
    ("who", "key"),
    [({"user": 666}, "allowed_users"), ({"chat": -666}, "allowed_chats")],
)
def test_nobody_else_may_and_they_are_told_and_on_record_once(
    rig: Rig, who: dict[str, int], key: str
) -> None:
    for _ in range(30):
        rig.press("Ack 1 h", **who)
    assert "You may not acknowledge here" in rig.telegram.said
    assert rig.telegram.answers[-1]["show_alert"] is True
    assert rig.behind.alertmanager.silences == {}
    assert list(rig.telegram.labels()) == ["Ack 1 h", "Ack 2 h"]
    assert rig.behind.metric(presses("refused")) == 30
    assert rig.behind.metric('risk_security_events_total{kind="auth_failed"}') == 30
    rig.behind.refusals.stop()
    (event,) = rig.behind.events("ACCESS_REFUSED")
    assert event.payload.details["address"] == f"telegram:{who.get('user', 42)}"
    assert event.payload.details["count"] == 30
    assert f"not in alerting.channels.telegram.{key}" in event.payload.message


def test_a_press_under_no_message_counts_from_nowhere(rig: Rig) -> None:
    rig.telegram.happen(
        callback_query={
            "id": "q",
            "from": {"id": 42, "first_name": "Olga"},
            "inline_message_id": "7",
            "data": rig.telegram.labels()["Ack 1 h"],
        }
    )
    rig.listener.round()
    assert "You may not acknowledge here" in rig.telegram.said
    assert rig.behind.alertmanager.silences == {}


def test_a_client_cannot_make_up_what_it_presses_nor_borrow_it(rig: Rig) -> None:
    genuine = rig.telegram.labels()["Ack 1 h"]
    rig.tell(number=8)
    for data in ("rw1h" + "A" * 48, genuine[:-1] + "A", f"ack:{WARNING}", "", genuine):
        rig.press(data)  # under the second message, whose buttons are others
        assert "use riskwarden ack" in rig.telegram.said
    assert rig.behind.alertmanager.silences == {}
    assert rig.behind.metric(presses("stale")) == 5


def test_one_that_has_just_run_out_keeps_nobody_from_another(rig: Rig) -> None:
    button = rig.telegram.labels()["Ack 1 h"]
    rig.press("Ack 1 h")
    past = to_text(utc_now() - timedelta(milliseconds=1))
    rig.behind.writer.run(
        lambda t: t.connection.execute("UPDATE silence SET ends_at = ?", (past,)), 10
    )
    rig.press(button)
    assert rig.telegram.said.startswith("Acknowledged until")
    assert len(rig.behind.alertmanager.silences) == 2


def test_what_is_over_cannot_be_acknowledged_and_loses_its_buttons(rig: Rig) -> None:
    rig.behind.alert(firing=False)
    rig.press("Ack 1 h")
    assert rig.telegram.said == "It is over."
    assert rig.telegram.labels() == {}
    assert "Over, and not acknowledged." in rig.telegram.text
    assert rig.behind.alertmanager.silences == {}


def test_an_acknowledgement_of_what_is_over_can_still_be_taken_back(rig: Rig) -> None:
    rig.press("Ack 1 h")
    rig.behind.alert(firing=False)
    rig.press("Un-ack")
    assert rig.behind.acks() == []
    assert rig.telegram.labels() == {}


def test_the_kill_switch_does_not_care_and_an_emergency_is_acknowledged_by_the_same_rules(
    rig: Rig, words: Any
) -> None:
    rig.behind.alert(**words.emergency)
    _, buttons = rig.behind.desk(TOKEN, "")
    incident = "drawdown/main:emergency:1"
    ((button, _),) = [buttons.under(_of(incident))]
    shown = {key: value for key, value in rig.telegram.messages[1].items() if key != "reply_markup"}
    rig.press(button.data, as_it_was=shown)
    (ack,) = rig.behind.acks()
    assert (ack.incident, ack.tiers) == (incident, ("warning", "critical", "emergency"))


def _of(incident: str) -> Owed:
    message = owed()
    return structs.replace(message, message=structs.replace(message.message, subject=incident))
