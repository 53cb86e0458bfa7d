"""What is wrong with one message holds up no other, and is there for all to see."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

Wait = Callable[..., Any]

SENT = 'risk_messages_total{channel="%s",outcome="sent"}'
DEAD = 'risk_messages_dead{channel="file"}'
PENDING = 'risk_messages_pending{channel="file"}'


def owe_nonsense(receivers: Any) -> None:
    with closing(sqlite3.connect(receivers.database)) as connection:
        connection.execute(
            "INSERT INTO message (subject, channel, kind, body, created_at) "
            "VALUES ('x', 'file', 'firing', 'no message at all', '')"
        )
        connection.commit()


def test_a_message_nobody_can_deliver_is_given_up_and_those_behind_it_arrive(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    owe_nonsense(receivers)
    receivers.send("notifications", words.webhook(words.alert()))
    wait_until(lambda: receivers.metric(SENT % "file") == 1)
    assert receivers.metric(DEAD) == 0, "it is tried more than once"
    wait_until(lambda: receivers.metric(DEAD) == 1, what="it is given up")
    assert receivers.metric(PENDING) == 0
    assert receivers.status()["messages_dead"] == {"file": 1}
    assert receivers.client.get(f"{receivers.url}/readyz").status_code == 200
    (failed,) = [e for e in receivers.chain() if e.event_type == "NOTIFICATION_FAILED"]
    details = failed.payload.details
    assert (details["channel"], details["subject"]) == ("file", "x")
    assert "5 tries" in details["reason"]
    assert receivers.metric('risk_unexpected_errors_total{component="receivers"}') == 5

    receivers.stop()
    receivers.start()
    receivers.send("notifications", words.webhook(words.alert(risk_id="leverage/main")))
    wait_until(lambda: receivers.metric(SENT % "file") == 1)
    assert receivers.metric(DEAD) == 1
    assert receivers.event_types().count("NOTIFICATION_FAILED") == 1


def test_a_console_that_cannot_show_a_character_shows_how_it_is_written(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    stopped.environ["PYTHONIOENCODING"] = "ascii"
    receivers = stopped.start(("-m", "risk_receivers"))  # its interpreter reads that
    alert = words.alert()
    alert["annotations"]["description"] = "a loss of 5 % \u2013 1000 \u20ac"
    receivers.send("notifications", words.webhook(alert))
    receivers.send("notifications", words.webhook(words.alert(risk_id="leverage/main")))
    wait_until(lambda: receivers.metric(SENT % "console") == 2)
    assert "a loss of 5 % \\u2013 1000 \\u20ac" in receivers.log
    assert receivers.client.get(f"{receivers.url}/readyz").status_code == 200
