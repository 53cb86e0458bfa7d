"""The time of a graceful kill: no restart loses it, no clock that jumps hastens it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.kill.countdown import Countdown, Moment, begun, decode, encode

AT = datetime(2026, 1, 1, tzinfo=UTC)


def moment(uptime: float, *, wall: float = 0.0, boot: str = "a") -> Moment:
    return Moment(AT + timedelta(seconds=wall), boot, uptime)


def test_a_wall_clock_that_is_set_changes_nothing_while_the_machine_runs() -> None:
    countdown = begun("k", AT, moment(100))
    for wall in (86_400, -86_400, 0):
        assert countdown.at(moment(160, wall=wall)).spent_seconds == 60


@pytest.mark.parametrize(("wall", "spent"), [(90, 150), (-3600, 60)])
def test_after_a_start_of_the_machine_only_the_time_between_is_the_wall_clocks(
    wall: float, spent: float
) -> None:
    before = Countdown("k", 60, moment(500))
    assert before.at(moment(3, wall=wall, boot="b")).spent_seconds == spent


def test_of_what_was_never_noted_the_record_says_when_it_began() -> None:
    assert begun("k", AT, moment(5, wall=40)).spent_seconds == 40
    assert begun("k", AT, moment(5, wall=-40)).spent_seconds == 0


@given(
    st.lists(
        st.tuples(st.floats(0, 1000), st.integers(-(10**6), 10**6), st.booleans(), st.booleans()),
        max_size=20,
    )
)
def test_whatever_happens_in_between_no_time_is_lost_and_none_is_made(
    steps: list[tuple[float, int, bool, bool]],
) -> None:
    """Restarts of the service, and a wall clock that is set to anything, on one machine."""
    uptime = 10.0
    countdown = begun("k", AT, moment(uptime))
    for passed, wall, is_restarted, is_asked in steps:
        uptime += passed
        if is_restarted:
            found = decode(encode(countdown))
            assert found == countdown
        if is_asked:
            countdown = countdown.at(moment(uptime, wall=wall))
    assert countdown.at(moment(uptime)).spent_seconds == pytest.approx(uptime - 10)


@pytest.mark.parametrize("text", ["", "{}", "7", '{"kill_id": "k", "spent_seconds": -1}', "\udc00"])
def test_what_is_no_countdown_is_none(text: str) -> None:
    assert decode(text) is None
    naive = encode(Countdown("k", 1, moment(1))).replace("2026-01-01T00:00:00Z", "2026-01-01T00:00")
    assert decode(naive) is None


def started_with_three_seconds(stopped: Any) -> Any:
    text = stopped.policy.read_text()
    stopped.policy.write_text(
        f"{text}[alerting.kill_switch]\nmode = 'graceful'\ngraceful_timeout_minutes = 0.05\n"
    )
    return stopped.start()


def test_a_graceful_kill_becomes_immediate_after_its_time_whoever_restarts(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = started_with_three_seconds(stopped)
    kill_id = receivers.operator_kill("graceful").json()["kill_id"]
    (since,) = receivers.rows("SELECT at FROM kill_event")
    receivers.kill()
    receivers.start()
    wait_until(lambda: receivers.detail().kills[0].mode == "immediate")
    switch = receivers.status()["kill_switch"]
    assert (switch["kill_id"], switch["mode"], switch["on_record"]) == (kill_id, "immediate", True)
    rows = receivers.rows("SELECT kind, at FROM kill_event ORDER BY n")
    assert [kind for kind, _ in rows] == ["TRIPPED", "TIGHTENED"]
    closing = datetime.fromisoformat(rows[1][1]) - datetime.fromisoformat(since[0])
    assert closing >= timedelta(seconds=3)
    assert "the time for closing at targets is over" in str(
        receivers.rows("SELECT body FROM message WHERE kind LIKE 'kill_switch_tightened%'")
    )
    assert receivers.verified().ok


def test_a_graceful_kill_becomes_immediate_while_nothing_can_be_recorded(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    receivers = started_with_three_seconds(stopped)
    receivers.operator_kill("graceful")
    with closing(sqlite3.connect(receivers.database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        wait_until(lambda: receivers.detail().kills[0].mode == "immediate")
        connection.rollback()
    wait_until(lambda: "KILL_SWITCH_TIGHTENED" in receivers.event_types(), 30)
    assert receivers.event_types().count("KILL_SWITCH_TIGHTENED") == 1
