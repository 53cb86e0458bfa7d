"""What fires and what is over is told apart however far our clock is ahead of Prometheus's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.intake.sender_clock import End, SenderClock

START = datetime(2026, 1, 1, tzinfo=UTC)
REPEAT = 5.0
LEASE = 4 * REPEAT


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@given(
    ahead=st.floats(0, 3600),
    late=st.lists(st.floats(0, 1), min_size=40, max_size=40),
    ends=st.integers(8, 30),
)
def test_an_alert_fires_until_prometheus_says_that_it_is_over(
    ahead: float, late: list[float], ends: int
) -> None:
    clock = SenderClock(LEASE)
    for number, delay in enumerate(late):
        sent = number * REPEAT
        now = at(sent + ahead + delay)
        clock.hear(at(sent + LEASE), now)
        over = number >= ends
        end = clock.read(at(ends * REPEAT if over else sent + LEASE), now)
        if number == 0 and ahead >= LEASE - 1:  # one Watchdog does not show yet whether it moves
            assert end.fires or not end.is_certain
            continue
        assert end.fires is not over
        assert end.is_certain
        if end.fires:
            assert end.at is not None
            assert end.at > now + timedelta(seconds=LEASE / 2 - 1), "it does not lapse"


@given(behind=st.floats(0, 60))
def test_a_clock_of_ours_that_is_behind_only_hears_of_ends_later(behind: float) -> None:
    clock = SenderClock(LEASE)
    for number in range(30):
        sent = number * REPEAT
        now = at(sent - behind)
        clock.hear(at(sent + LEASE), now)
        assert clock.read(at(sent + LEASE), now).fires
        if sent > 10 + behind:
            assert not clock.read(at(10), now).fires


def test_a_watchdog_that_was_taken_out_of_the_rules_moves_no_clock() -> None:
    clock = SenderClock(LEASE)
    clock.hear(at(LEASE), at(0))
    for second in range(5, 900, 5):
        clock.hear(at(3), at(second))
        certain = not LEASE < second <= 2 * LEASE + REPEAT  # our own clock may have been set
        assert clock.read(at(3), at(second)) == End(at(3), fires=False, is_certain=certain)


def test_without_a_watchdog_an_end_is_certain_a_lease_later() -> None:
    clock = SenderClock(LEASE)
    for second, certain in ((0, False), (LEASE, False), (LEASE + 1, True)):
        assert clock.read(at(-5), at(second)) == End(at(-5), fires=False, is_certain=certain)
    assert clock.read(at(LEASE + 5), at(LEASE + 1)).fires


def test_two_servers_of_which_one_is_behind_are_both_understood() -> None:
    clock = SenderClock(LEASE)
    for number in range(30):
        sent = number * REPEAT
        clock.hear(at(sent + LEASE), at(sent))
        clock.hear(at(sent + LEASE - 600), at(sent))
        if number > 1:
            assert clock.read(at(sent + LEASE), at(sent)).fires
            assert clock.read(at(sent + LEASE - 600), at(sent)).fires
            assert not clock.read(at(-610), at(sent)).fires


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    clock = SenderClock(LEASE)
    for second in (0, 5, 10):
        clock.hear(at(second + LEASE), at(second + 300))
    for second in (15, 20, 25, 30, 35):
        clock.hear(at(second + LEASE), at(second))
    assert clock.read(at(34), at(35)) == End(at(34), fires=False)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_after_our_clock_was_set_an_end_is_certain_once_the_watchdog_has_told(jump: float) -> None:
    clock = SenderClock(LEASE)
    for sent in (0, 5, 10):
        clock.hear(at(sent + LEASE), at(sent))
        assert clock.read(at(sent - 1), at(sent)).is_certain
    for sent in (15, 20):  # the first Watchdog after that does not show yet whether it moves
        now = at(sent + jump)
        clock.hear(at(sent + LEASE), now)
        end = clock.read(at(sent + LEASE), now)
        assert end.fires or not end.is_certain
    assert clock.read(at(20 + LEASE), at(20 + jump)).fires
    assert clock.read(at(-7200), at(20 + jump)) == End(at(-7200), fires=False)


def test_what_fires_is_not_shown_as_over_by_a_service_whose_clock_is_ahead(
    receivers: Any, words: Any, wait_until: Any
) -> None:
    """Prometheus here is ten minutes behind, and its alerts end a second ahead of it."""
    starts = datetime.now(UTC) - timedelta(minutes=12)

    def send(*alerts: dict[str, Any]) -> None:
        ends = datetime.now(UTC) - timedelta(minutes=10) + timedelta(seconds=1)
        watchdog = words.alert(name="Watchdog", risk_id="watchdog", tier="", ends=ends)
        fires = words.alert(starts=starts, ends=ends)
        assert receivers.send("alerts", [watchdog, *(alerts or [fires])]).status_code == 200

    send(words.alert(risk_id="leverage/main"))
    for _ in range(4):
        send()
    about = "SELECT state FROM incident WHERE risk_id = 'drawdown/main'"
    assert receivers.rows(about) == [("CREATED",)]
    wait_until(lambda: "clock is 600." in receivers.log)
    send(words.alert(starts=starts, firing=False, ends=starts + timedelta(minutes=1)))
    assert receivers.rows(about) == [("RESOLVED",)]
