"""Whoever sets the clock deletes nothing by it, or is found; an honest clock raises no alarm."""

from __future__ import annotations

from datetime import timedelta

import pytest
from chain_archive import BEGIN, DAY, Archive

from risk_policy.contracts.audit import EventType
from risk_receivers.retention.clock_trust import ProcessClock
from risk_receivers.retention.errors import ClockDoubtedError

TWO_YEARS = 730 * DAY


def test_two_years_ahead_deletes_nothing_and_says_why(archive: Archive) -> None:
    archive.add(EventType.TRADE_BLOCKED)
    archive.days_pass(3)
    archive.now += TWO_YEARS
    with pytest.raises(ClockDoubtedError, match=r"730 days passed between record 4 .* and now"):
        archive.prune()
    archive.add()
    with pytest.raises(ClockDoubtedError, match=r"between record 4 .* and record 5 .* nobody saw"):
        archive.prune()
    assert archive.gone() == []


def test_after_a_day_that_was_seen_to_pass_it_goes_on(archive: Archive) -> None:
    """As when the service was off for long."""
    archive.add()
    archive.now += 200 * DAY
    archive.add()
    for _ in range(24):
        with pytest.raises(ClockDoubtedError):
            archive.prune()
        archive.now += timedelta(hours=1)
        archive.add()
    assert archive.prune() == 1


def test_who_was_there_has_seen_the_time_pass(archive: Archive) -> None:
    """As when nothing happens for long."""
    archive.add()
    archive.now += 200 * DAY
    assert archive.prune(seen_since=BEGIN) == 1


def test_somebody_may_vouch_for_the_clock_by_name(archive: Archive) -> None:
    archive.add()
    archive.now += 200 * DAY
    assert archive.pruner("ann").prune(archive.now, archive.now, vouched="ann") == 1
    (told,) = archive.of_type(EventType.RETENTION_APPLIED)
    assert told.payload is not None
    assert told.payload.details["clock_vouched_for_by"] == "ann"
    assert told.payload.actor_id == "ann"


def test_a_clock_behind_the_record_deletes_nothing(archive: Archive) -> None:
    archive.add()
    archive.days_pass(100)
    archive.now -= 5 * DAY
    with pytest.raises(ClockDoubtedError, match="the clock is behind, or was ahead then"):
        archive.prune()


# -- found afterwards ------------------------------------------------------------------------


def purge_ahead(
    archive: Archive,
    jump: timedelta = TWO_YEARS,
    event_type: EventType = EventType.TRADE_BLOCKED,
) -> int:
    """Set the clock forward, delete, set it back; the record of the deletion."""
    archive.add(event_type)
    archive.days_pass(3)
    archive.now += jump
    archive.pruner("mallory").prune(archive.now, archive.now, vouched="mallory")
    assert archive.gone()
    archive.now -= jump
    return archive.of_type(EventType.RETENTION_APPLIED)[0].seq


def test_a_purge_two_years_ahead_is_found_as_soon_as_the_clock_is_back(archive: Archive) -> None:
    seq = purge_ahead(archive)
    (problem,) = archive.problems()
    assert problem.startswith(f"record {seq}: retention was applied at 2028-01-04")
    assert "by a clock that was ahead" in problem
    archive.add()
    (problem,) = archive.problems()
    assert problem.startswith(f"record {seq}: retention was applied at 2028-01-04")
    assert "but what follows it was recorded earlier" in problem


def test_it_stays_found_when_the_time_has_come(archive: Archive) -> None:
    seq = purge_ahead(archive, jump=100 * DAY, event_type=EventType.ALERT_CREATED)
    archive.days_pass(130)
    assert [problem.split(":")[0] for problem in archive.problems()] == [f"record {seq}"]


def test_what_is_recorded_before_the_clock_goes_back_hides_nothing(archive: Archive) -> None:
    archive.add(EventType.TRADE_BLOCKED)
    archive.days_pass(3)
    archive.now += TWO_YEARS
    archive.pruner().prune(archive.now, archive.now, vouched="mallory")
    archive.days_pass(2)
    archive.now -= TWO_YEARS
    archive.days_pass(2)
    (problem,) = archive.problems()
    assert "the clock had been set forward" in problem


def test_small_steps_back_after_a_retention_are_no_problem(archive: Archive) -> None:
    archive.add()
    archive.days_pass(91)
    archive.prune()
    archive.now -= timedelta(hours=23)
    archive.add()
    found = archive.verify()
    assert found.problems == ()
    assert "before the record it follows" in found.warnings[0].message
    archive.days_pass(3)
    assert archive.problems() == []


def test_a_clock_that_fell_behind_and_was_set_right_is_no_problem(archive: Archive) -> None:
    """A dead battery: up again in 2000, and right once the network is there."""
    archive.add()
    archive.days_pass(91)
    archive.prune()
    now = archive.now
    archive.now = BEGIN.replace(year=2000)
    archive.add(EventType.SERVICE_STARTED)
    archive.now += timedelta(minutes=1)
    archive.add()
    archive.now = now + timedelta(hours=1)
    archive.add()
    found = archive.verify()
    assert (found.problems, found.warning_count) == ((), 1)


def test_a_clock_that_fell_behind_much_later_is_no_problem_either(archive: Archive) -> None:
    archive.add()
    archive.days_pass(91)
    archive.prune()
    archive.days_pass(5)
    archive.now -= 4 * DAY
    archive.add()
    archive.now += 4 * DAY
    archive.add()
    assert archive.problems() == []
    archive.now = BEGIN.replace(year=2000)
    archive.add()
    assert archive.verify(BEGIN + 100 * DAY).problems == ()


# -- what a process sees of the time ---------------------------------------------------------


class Uptime:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_process_has_seen_what_its_own_clock_confirms() -> None:
    uptime = Uptime()
    clock = ProcessClock(BEGIN, uptime)
    uptime.seconds = 10 * 86400
    assert clock.seen_since(BEGIN + 10 * DAY) == BEGIN
    assert clock.seen_since(BEGIN + 10 * DAY + timedelta(hours=20)) == BEGIN


def test_a_process_has_not_seen_what_the_clock_jumped_until_a_day_later() -> None:
    uptime = Uptime()
    clock = ProcessClock(BEGIN, uptime)
    jumped = BEGIN + TWO_YEARS
    assert clock.seen_since(jumped) == jumped
    uptime.seconds = 86000
    assert clock.seen_since(jumped + timedelta(seconds=86000)) == jumped + timedelta(seconds=86000)
    uptime.seconds = 86400
    assert clock.seen_since(jumped + DAY) == jumped + DAY
    uptime.seconds = 5 * 86400
    assert clock.seen_since(jumped + 5 * DAY) == jumped + DAY


def test_a_jump_that_was_taken_back_is_forgotten() -> None:
    uptime = Uptime()
    clock = ProcessClock(BEGIN, uptime)
    clock.seen_since(BEGIN + TWO_YEARS)
    uptime.seconds = 2 * 86400
    assert clock.seen_since(BEGIN + 2 * DAY) == BEGIN
