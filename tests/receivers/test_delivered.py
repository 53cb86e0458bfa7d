"""The chain tells who was told: once for each message that somebody has, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from channels_desk import LATE, Desk, desk_in

from risk_receivers.audit.query import events
from risk_receivers.channels.delivered import record_delivery

Wait = Callable[..., Any]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with desk_in(tmp_path, monkeypatch) as made:
        yield made


def sent(desk: Desk) -> list[tuple[object, object]]:
    return [
        (event.payload.details["channel"], event.payload.details["message"])
        for event in events(desk.database, 0, 99)
        if event.event_type == "NOTIFICATION_SENT" and event.payload
    ]


def test_a_confirmed_message_is_on_record_once(desk: Desk, wait_until: Wait) -> None:
    desk.open(LATE).start()
    desk.owe("drawdown is 12 %")
    wait_until(lambda: sent(desk) == [("slack", 1)], what="the delivery is on record")
    desk.run(lambda transaction: record_delivery(transaction, 1))
    assert sent(desk) == [("slack", 1)]
    (event,) = [
        one for one in events(desk.database, 0, 99) if one.event_type == "NOTIFICATION_SENT"
    ]
    assert event.payload is not None
    told = event.payload.details
    assert (told["text"], told["severity"]) == ("drawdown is 12 %", "warning")
    assert told["message_id"]


def test_a_message_that_cannot_be_read_any_more_was_told_all_the_same(desk: Desk) -> None:
    desk.open(LATE)
    desk.run(
        lambda transaction: transaction.connection.execute(
            "INSERT INTO message (id, subject, channel, kind, body, created_at) "
            "VALUES (7, 'x', 'slack', 'firing', 'nonsense', '2026-11-21T00:00:00+00:00')"
        )
    )
    desk.run(lambda transaction: record_delivery(transaction, 7))
    assert sent(desk) == [("slack", 7)]


def test_a_line_in_a_file_is_no_proof_that_anybody_was_told(desk: Desk) -> None:
    desk.open(LATE)
    desk.run(
        lambda transaction: transaction.connection.execute(
            "INSERT INTO message (id, subject, channel, kind, body, created_at) "
            "VALUES (7, 'x', 'file', 'firing', '', '2026-11-21T00:00:00+00:00')"
        )
    )
    desk.run(lambda transaction: record_delivery(transaction, 7))
    assert sent(desk) == []
    (at,) = desk.run(
        lambda transaction: transaction.connection.execute(
            "SELECT delivered_at FROM message WHERE id = 7"
        ).fetchone()
    )
    assert at is not None
