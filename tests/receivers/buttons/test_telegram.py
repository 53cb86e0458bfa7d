"""Acknowledging with a button in Telegram: by whom the policy names, once, and as people see it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_http import Reply
from msgspec import structs
from owed_messages import as_told, owed, saying
from telegram_stand_in import CHAT, TOKEN, TelegramStandIn, failure

from risk_policy.clock import utc_now
from risk_policy.model.channels import Telegram
from risk_receivers.buttons.desk import Presser
from risk_receivers.buttons.offsets import Offsets
from risk_receivers.buttons.telegram import TelegramButtons
from risk_receivers.channels.bot_api import BotApi
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.telegram import TelegramChannel
from risk_receivers.schema import to_text

WARNING = "drawdown/main:warning:1"
OLGA = "telegram:42 Olga Petrova"
SECRET = TOKEN.partition(":")[2]
HEARD = 'risk_buttons_heard{channel="telegram"}'
SETTINGS = Telegram(allowed_chats=(CHAT,), allowed_users=("42", "43"))


def presses(outcome: str) -> str:
    return f'risk_button_presses_total{{channel="telegram",outcome="{outcome}"}}'


@dataclass
class Rig:
    """Telegram, what is behind its buttons, and who listens for them."""

    telegram: TelegramStandIn
    behind: Any
    listener: TelegramButtons = field(init=False)

    def listen(self) -> TelegramButtons:
        """The listener of a service that starts on the same store."""
        desk, _ = self.behind.desk(TOKEN, "Telegram button")
        self.listener = TelegramButtons(
            settings=SETTINGS,
            bot=BotApi(TOKEN, self.telegram.url, 5),
            desk=desk,
            offsets=Offsets(self.behind.database, TOKEN.partition(":")[0]),
            writer=self.behind.writer,
            telemetry=self.behind.telemetry,
            refused=self.behind.refusals.note,
        )
        return self.listener

    def tell(self, render: Render = as_told, kind: Kind = Kind.FIRING, number: int = 7) -> None:
        """People are told of the breach."""
        _, buttons = self.behind.desk(TOKEN, "")
        channel = TelegramChannel(
            render=render,
            bot_token=TOKEN,
            chat_id=CHAT,
            api_url=self.telegram.url,
            timeout_seconds=5,
            buttons=buttons,
        )
        channel.deliver(owed(number, kind=kind))

    def press(self, button: str, **more: Any) -> float | None:
        """Somebody presses, and the listener asks once; how long it would wait then."""
        self.telegram.press(button, **more)
        return self.listener.round()


@pytest.fixture
def rig(behind: Any) -> Iterator[Rig]:
    with TelegramStandIn() as telegram:
        rig = Rig(telegram, behind)
        rig.listen()
        rig.tell()
        yield rig


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


# -- restarts ----------------------------------------------------------------------------------


def test_a_press_while_nobody_listened_is_taken_at_the_next_start_and_only_then(rig: Rig) -> None:
    rig.press("Ack 1 h")
    rig.telegram.press("Un-ack")
    rig.listen().round()
    assert rig.behind.acks() == []
    taken = rig.telegram.polls[-1]["offset"]
    rig.listen().round()
    assert rig.telegram.polls[-1]["offset"] == taken + 1
    assert len(rig.telegram.answers) == 2


def test_that_it_was_taken_goes_on_record_with_what_followed_from_it(rig: Rig) -> None:
    offsets = Offsets(rig.behind.database, "1")
    desk, _ = rig.behind.desk(TOKEN, "Telegram button")
    button, olga = rig.telegram.labels()["Ack 1 h"], Presser("telegram:42", "Olga")
    rig.behind.alertmanager.down = True
    desk.take(button, olga, also=partial(offsets.took, update_id=5))
    assert offsets.next() is None
    rig.behind.alertmanager.down = False
    desk.take(button, olga, also=partial(offsets.took, update_id=6))
    assert offsets.next() == 7


def test_a_press_that_comes_again_changes_nothing(rig: Rig) -> None:
    before = dict(rig.telegram.messages[1])
    rig.press("Ack 1 h")
    (ack,) = rig.behind.acks()
    rig.telegram.press("Ack 1 h", as_it_was=before)
    rig.listen().round()
    assert rig.behind.acks() == [ack]
    assert len(rig.behind.events("ALERT_ACKNOWLEDGED")) == 1


def test_a_place_in_a_count_that_telegram_has_begun_anew_is_forgotten(rig: Rig) -> None:
    rig.press("Ack 1 h")
    week_ago = to_text(utc_now() - timedelta(days=7))
    rig.behind.writer.run(
        lambda t: t.connection.execute(
            "UPDATE fact SET value = ? WHERE name LIKE 'telegram_offset:%'",
            (f"999999999 {week_ago}",),
        ),
        10,
    )
    rig.press("Un-ack")
    assert "offset" not in rig.telegram.polls[-1]
    assert rig.behind.acks() == []


# -- trouble -----------------------------------------------------------------------------------


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


# -- as a thread -------------------------------------------------------------------------------


def test_it_stops_at_once_while_telegram_holds_its_question(
    rig: Rig, wait_until: Callable[..., Any]
) -> None:
    rig.listener.start()
    wait_until(lambda: rig.telegram.holding and rig.telegram.polls[-1]["timeout"] == 25)
    begun = time.monotonic()
    rig.listener.stop()
    assert time.monotonic() - begun < 1
    assert not rig.listener.is_alive
    assert rig.behind.metric('risk_unexpected_errors_total{component="receivers"}') == 0


def test_a_press_is_heard_of_while_it_listens(rig: Rig, wait_until: Callable[..., Any]) -> None:
    rig.listener.start()
    wait_until(lambda: rig.telegram.holding)
    rig.telegram.press("Ack 1 h")
    wait_until(lambda: rig.telegram.labels().keys() == {"Un-ack"})
    rig.listener.stop()
    assert len(rig.behind.acks()) == 1


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


# -- under messages ----------------------------------------------------------------------------


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
