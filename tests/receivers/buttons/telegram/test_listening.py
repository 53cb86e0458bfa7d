"""Listening to Telegram: from where the last service stopped, until told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from telegram_rig import Rig
from telegram_stand_in import TOKEN

from risk_policy.clock import utc_now
from risk_receivers.buttons.desk import Presser
from risk_receivers.buttons.offsets import Offsets
from risk_receivers.schema import to_text


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
