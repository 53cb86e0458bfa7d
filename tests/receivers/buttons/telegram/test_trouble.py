"""Buttons in Telegram while something is away, broken or made up: no press is lost, none counts
twice, and the token is told to nobody."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_http import Reply
from telegram_rig import HEARD, OLGA, Rig, presses
from telegram_stand_in import CHAT, TOKEN, failure

from risk_receivers.buttons.offsets import Offsets

SECRET = TOKEN.partition(":")[2]


@pytest.mark.parametrize(
    ("reply", "pauses", "said"),
    [
        (failure(429, "Too Many Requests: retry after 34", retry_after=34), [34, 34], "429"),
        (Reply(429, "", {"Retry-After": "7"}), [7, 7], "429"),
        (failure(401, "Unauthorized"), [300, 300], "Unauthorized"),
        (failure(404, "Not Found"), [300, 300], "Not Found"),
        (failure(500, "Internal Server Error"), [1, 2, 4, 8, 16, 32, 60, 60], "500"),
        (Reply(200, "<html>Sign in</html>"), [1, 2], "answered 200"),
        (Reply(200, '{"ok": true, "result": {}}'), [1, 2], "cannot be read"),
        (Reply(manner="cut"), [1, 2], "cannot be reached"),
        (
            failure(409, "Conflict: terminated by other getUpdates request"),
            [1, 2],
            "stop the other one",
        ),
    ],
)
def test_what_telegram_refuses_is_waited_out_and_told_once(
    rig: Rig, reply: Reply, pauses: list[float], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig.telegram.failing["getUpdates"] = reply
    rig.telegram.press("Ack 1 h")
    assert [rig.listener.round() for _ in pauses] == pauses
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert said in told[0]
    assert rig.behind.metric(HEARD) == 0
    del rig.telegram.failing["getUpdates"]
    assert rig.listener.round() == 0
    assert len(rig.behind.acks()) == 1
    assert rig.behind.metric(HEARD) == 1
    rig.telegram.failing["getUpdates"] = failure(500, "again")
    assert rig.listener.round() == 1


def test_who_acknowledges_while_alertmanager_is_away_is_told_to_try_again(rig: Rig) -> None:
    rig.behind.alertmanager.down = True
    rig.press("Ack 1 h")
    assert "may not be acknowledged" in rig.telegram.said
    assert rig.telegram.answers[-1]["show_alert"] is True
    assert list(rig.telegram.labels()) == ["Ack 1 h", "Ack 2 h"]
    rig.behind.alertmanager.down = False
    rig.press("Ack 1 h")
    assert len(rig.behind.acks()) == 1
    assert rig.behind.metric(presses("failed")) == 1


def test_a_press_that_the_store_cannot_record_is_taken_once_it_can(rig: Rig) -> None:
    rig.behind.writer.stop()
    assert rig.press("Ack 1 h") == 1, "it is tried again a second later"
    assert rig.telegram.answers == []
    rig.behind.restart()
    rig.listen().round()
    assert len(rig.behind.acks()) == 1
    assert len(rig.telegram.answers) == 1


def test_a_silence_of_which_nobody_heard_is_found_again_and_not_made_twice(rig: Rig) -> None:
    rig.behind.alertmanager.forgetful = True
    rig.press("Ack 1 h")
    assert "may not be acknowledged" in rig.telegram.said
    rig.behind.alertmanager.forgetful = False
    rig.press("Ack 1 h")
    assert f"Already acknowledged by {OLGA}" in rig.telegram.said
    assert len(rig.behind.alertmanager.silences) == 1


@pytest.mark.parametrize("method", ["answerCallbackQuery", "editMessageText"])
def test_it_is_acknowledged_even_if_nobody_can_be_told_of_it(rig: Rig, method: str) -> None:
    rig.telegram.failing[method] = failure(400, "Bad Request: query is too old")
    assert rig.press("Ack 1 h") == 0
    assert len(rig.behind.acks()) == 1
    assert rig.behind.metric(presses("acknowledged")) == 1


def test_a_message_too_old_to_be_shown_is_still_about_its_incident(rig: Rig) -> None:
    shown = {"message_id": 1, "date": 0, "chat": {"id": int(CHAT)}}
    rig.press(rig.telegram.labels()["Ack 1 h"], as_it_was=shown)
    assert len(rig.behind.acks()) == 1


def test_what_somebody_calls_themselves_cannot_pass_for_anything_else(rig: Rig) -> None:
    rig.press("Ack 1 h", name="telegram:43\n\u202eOlga\x1b[2J\0 " + "x" * 500)
    (ack,) = rig.behind.acks()
    assert ack.author.startswith("telegram:42 telegram:43")
    assert ack.author.isprintable()
    assert len(ack.author) < 100


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "from", "message", "chat", "data", "text", "reply_markup", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(NONSENSE, min_size=1, max_size=5))
def test_nonsense_is_passed_over_and_never_comes_again(rig: Rig, queries: list[Any]) -> None:
    numbers = [rig.telegram.happen(callback_query=query) for query in queries]
    numbers.append(rig.telegram.happen(message={"text": "/start"}))
    assert rig.listener.round() == 0
    offsets = Offsets(rig.behind.database, TOKEN.partition(":")[0])
    assert offsets.next() == numbers[-1] + 1
    assert rig.behind.alertmanager.silences == {}


def test_the_token_stays_where_it_is(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def misbehave(received: Any) -> Reply:
        return failure(500, f"{received.path} {received.headers}")

    rig.telegram.instead = misbehave
    rig.listener.round()
    rig.telegram.instead = None
    repeated = failure(400, f"no such thing: /bot{TOKEN}/answerCallbackQuery")
    rig.telegram.failing = {"answerCallbackQuery": repeated, "editMessageText": repeated}
    rig.press("Ack 1 h")
    assert len(rig.behind.acks()) == 1
    said = caplog.text + rig.behind.telemetry.exposition().decode()
    assert "answerCallbackQuery" in said
    assert SECRET not in said
    assert SECRET.encode() not in rig.behind.database.read_bytes()
