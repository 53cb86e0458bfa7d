"""``/kill`` in Telegram: at once, for those who may, on record by name, and once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram_rig import OLGA
from telegram_stand_in import BOT, CHAT, TOKEN, TelegramStandIn

from risk_policy.vocabulary import KillMode
from risk_receivers.buttons.telegram_kill import command_in

SECTION = f"""
[alerting.channels.telegram]
enabled = true
chat_id = "{CHAT}"
allowed_chats = ["{CHAT}"]
allowed_users = [42]
"""
WHY = "the exchange sends wrong prices"


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as telegram:
        yield telegram


def listening(
    stopped: Any, telegram: TelegramStandIn, *, obeys: bool = True, program: tuple[str, ...] = ()
) -> Any:
    command = "kill_command = true\n" if obeys else ""
    text = f'{stopped.policy.read_text()}{SECTION}api_url = "{telegram.url}"\n{command}'
    stopped.policy.write_text(text)
    stopped.environ["TELEGRAM_BOT_TOKEN"] = TOKEN
    return stopped.start(program)


def answers(telegram: TelegramStandIn) -> list[str]:
    found = [one for one in telegram.asked if "reply_parameters" in one]
    assert {one["chat_id"] for one in found} <= {int(CHAT)}
    return [one["text"] for one in found]


def test_a_kill_is_said_answered_and_on_record_and_only_tightened(
    stopped: Any, telegram: TelegramStandIn, wait_until: Callable[..., Any]
) -> None:
    receivers = listening(stopped, telegram)
    wait_until(receivers.gate_is_open)

    def said(text: str, **more: Any) -> str:
        before = len(answers(telegram))
        telegram.say(text, **more)
        wait_until(lambda: len(answers(telegram)) > before)
        return answers(telegram)[-1]

    assert "Say /kill pause|graceful|immediate" in said("/kill now!")
    assert "you may not" in said("/kill immediate " + WHY, user=7)
    telegram.say("good morning")
    telegram.say("/kill@OtherBot immediate " + WHY)
    telegram.say("/kill immediate " + WHY, forward_date=1)
    telegram.say("/kill immediate " + WHY, chat="-5")
    assert "Say /kill" in said("/kill immediate"), "it takes a reason"
    assert not receivers.gate_says_halt()

    assert "tripped in mode graceful, on record" in said(f"/kill@{BOT} Graceful {WHY}")
    assert receivers.gate_says_halt()
    kill = receivers.status()["kill_switch"]
    assert (kill["mode"], kill["cause"]) == ("graceful", WHY)
    assert "would loosen it" in said("/kill pause x", number=9002)
    assert "mode immediate, which was in force before" in said("/kill immediate x", number=9003)
    events = [e for e in receivers.chain() if e.event_type.startswith("KILL_SWITCH_")]
    kinds = ("ACTIVATED", "LOOSENING_REFUSED", "TIGHTENED")
    assert [e.event_type for e in events] == [f"KILL_SWITCH_{kind}" for kind in kinds]
    assert events[0].payload.actor_id == OLGA
    assert events[0].payload.details["address"] == f"telegram:{CHAT}"
    receivers.stop()
    refused = [e.payload for e in receivers.chain() if e.event_type == "ACCESS_REFUSED"]
    assert "/kill in Telegram" in json.dumps([dict(one.details) for one in refused])
    assert {"telegram:7", "telegram:42"} <= {str(one.details["address"]) for one in refused}


def test_what_telegram_tells_again_trips_once_and_no_store_holds_a_kill_up(
    stopped: Any, telegram: TelegramStandIn, wait_until: Callable[..., Any]
) -> None:
    receivers = listening(stopped, telegram)
    wait_until(receivers.gate_is_open)
    telegram.say(f"/kill pause {WHY}")
    wait_until(receivers.gate_says_halt)
    order = {
        "actor": "ann",
        "reason": "over",
        "kill_id": receivers.status()["kill_switch"]["kill_id"],
    }
    code = receivers.call("POST", "/api/v1/system/kill-switch/clear", json=order).json()[
        "confirmation"
    ]
    receivers.call("POST", "/api/v1/system/kill-switch/clear", json={**order, "confirmation": code})
    wait_until(receivers.gate_is_open)
    telegram.say(f"/kill pause {WHY}")
    wait_until(lambda: len(answers(telegram)) == 2)
    assert "cleared since" in answers(telegram)[-1]
    assert receivers.status()["kill_switch"]["state"] == "ARMED"
    with closing(sqlite3.connect(receivers.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        telegram.say(f"/kill pause {WHY}", number=9002)
        wait_until(receivers.gate_says_halt)
        wait_until(lambda: len(answers(telegram)) == 3)
        assert "The store is slow; the record follows" in answers(telegram)[-1]
        other.rollback()
    wait_until(lambda: receivers.status()["kill_switch"]["on_record"])
    activated = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert [e.payload.actor_id for e in activated] == [OLGA, OLGA]


def test_a_kill_goes_before_presses_that_wait_for_alertmanager(
    stopped: Any, telegram: TelegramStandIn, wait_until: Callable[..., Any]
) -> None:
    message = {"message_id": 1, "chat": {"id": int(CHAT)}, "text": "x"}
    for _ in range(3):
        telegram.press("no such button", as_it_was=message)
    telegram.say(f"/kill pause {WHY}")
    receivers = listening(stopped, telegram)
    wait_until(lambda: len(telegram.answers) == 3)
    assert receivers.gate_says_halt()
    assert len(answers(telegram)) == 1
    asked = [one for one in telegram.received if not one.path.endswith("getUpdates")]
    answered = [b"reply_parameters" in one.body for one in asked]
    pressed = [one.path.endswith("answerCallbackQuery") for one in asked]
    assert answered.index(True) < pressed.index(True)


def test_it_is_obeyed_only_where_the_policy_says_so(
    stopped: Any, telegram: TelegramStandIn, wait_until: Callable[..., Any]
) -> None:
    receivers = listening(stopped, telegram, obeys=False)
    wait_until(lambda: telegram.polls)
    assert telegram.polls[0]["allowed_updates"] == ["callback_query"]
    telegram.say(f"/kill pause {WHY}")
    wait_until(lambda: telegram.polls[-1].get("offset"))
    assert not receivers.gate_says_halt()
    assert answers(telegram) == []


@pytest.mark.parametrize("text", ["kill", "/killall x", "/kills", "please /kill pause x", ""])
def test_what_is_no_such_command_is_passed_over(text: str) -> None:
    assert command_in(text) is None


@given(st.sampled_from(KillMode), st.text(min_size=1))
def test_whatever_the_reason_the_mode_is_read(mode: KillMode, reason: str) -> None:
    command = command_in(f"/kill {mode.value} x{reason}")
    assert command is not None
    assert command.mode is mode
    assert 0 < len(command.reason) <= 500


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    command_in(text)
    command_in("/kill " + text)


def test_a_stack_that_only_plays_leaves_what_is_said_to_those_who_are_meant(
    stopped: Any, telegram: TelegramStandIn, words: Any, wait_until: Callable[..., Any]
) -> None:
    """A bot tells one program only; as of a drill beside receivers that are in use."""
    telegram.say(f"/kill immediate {WHY}")
    receivers = listening(stopped, telegram, program=("-m", "risk_receivers", "--own-store"))
    assert receivers.send("alerts", [words.kill_alert()]).status_code == 200
    wait_until(lambda: telegram.sent, what="people are told")
    assert telegram.polls == []
    assert all("reply_markup" not in one for one in telegram.asked)
