"""From a breach to a button, a silence, and quiet: with a real Alertmanager."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import telegram_stand_in
from slack_stand_in import SIGNING_SECRET, SlackStandIn, signed
from telegram_stand_in import CHAT, TelegramStandIn

WARNING = "drawdown/main:warning:1"
SECRET = telegram_stand_in.TOKEN.partition(":")[2]


@pytest.fixture
def telegram() -> Iterator[TelegramStandIn]:
    with TelegramStandIn() as server:
        yield server


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as server:
        yield server


@pytest.fixture
def policy_lines(telegram: TelegramStandIn, slack: SlackStandIn, stopped: Any) -> str:
    stopped.environ.update(
        TELEGRAM_BOT_TOKEN=telegram_stand_in.TOKEN,
        TELEGRAM_CHAT_ID=CHAT,
        SLACK_WEBHOOK_URL=slack.webhook_url,
        SLACK_SIGNING_SECRET=SIGNING_SECRET,
    )
    return f"""
[alerting.second_way]
enabled = false
[alerting.channels.telegram]
enabled = true
min_severity = "WARNING"
api_url = "{telegram.url}"
allowed_chats = ["${{TELEGRAM_CHAT_ID}}"]
allowed_users = [42]
[alerting.channels.slack]
enabled = true
allowed_users = ["U0OLGA"]
signing_secret = "${{SLACK_SIGNING_SECRET}}"
"""


def test_a_press_is_a_silence_and_survives_the_service(
    people: Any, telegram: TelegramStandIn, slack: SlackStandIn
) -> None:
    people.fire()
    people.wait_until(lambda: telegram.messages, what="Telegram was told")
    telegram.press("Ack 1 h", user=666)
    people.wait_until(lambda: telegram.answers)
    assert "You may not acknowledge here" in telegram.said
    telegram.press("Ack 1 h")
    people.wait_until(lambda: "Un-ack" in telegram.labels(), what="the message says who has it")
    (silence,) = people.alertmanager.active()
    assert (silence["createdBy"], silence["comment"]) == (
        "telegram:42 Olga Petrova",
        "by Telegram button",
    )
    assert people.incident()["state"] == "ACKNOWLEDGED"
    assert people.incident()["acknowledged"]["author"] == "telegram:42 Olga Petrova"
    assert 3590 < people.acked_until() - time.time() < 3610
    assert people.receivers.metric('risk_buttons_heard{channel="telegram"}') == 1

    # What is pressed while nobody listens is heard of at the next start.
    people.wait_until(lambda: telegram.holding, what="Telegram holds the next question")
    begun = time.monotonic()
    assert people.receivers.stop() == 0
    assert time.monotonic() - begun < 10
    telegram.press("Un-ack")
    people.start_receivers()
    people.wait_until(lambda: "Ack 1 h" in telegram.labels(), what="it is taken back")
    assert people.alertmanager.active() == []
    people.await_told("ack_lost")
    assert len(people.events("ALERT_ACKNOWLEDGED")) == 1

    # The same incident, from Slack: its request needs no token, and nothing else gets in.
    receivers, body = people.receivers, slack.press("Ack 1 h")
    where = receivers.url + "/api/v1/slack/actions"
    assert receivers.client.post(where, content=body).status_code == 403
    wrong = signed(body, "another secret")
    assert receivers.client.post(where, content=body, headers=wrong).status_code == 403
    assert people.alertmanager.active() == []
    assert receivers.client.post(where, content=body, headers=signed(body)).status_code == 200
    people.wait_until(lambda: "Un-ack" in slack.buttons, what="Slack's message says who has it")
    (silence,) = people.alertmanager.active()
    assert silence["createdBy"] == "slack:U0OLGA olga"
    metrics = people.receivers.client.get(f"{people.receivers.url}/metrics").text
    assert SECRET not in receivers.log + metrics
    assert "planted" not in receivers.log + metrics
