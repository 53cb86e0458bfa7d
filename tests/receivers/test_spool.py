"""Trips that the store could not take survive, each exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.errors import SpoolError
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.spool import AlertKill, OperatorKill, Spool, SpooledTrip, UnknownKill

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def operator_trip(name: str = "one", second: int = 0) -> SpooledTrip:
    kill = OperatorKill(KillMode.PAUSE, "a reason", "somebody")
    return SpooledTrip(name, f"kill-{name}", NOW + timedelta(seconds=second), kill)


def reopened(folder: Path) -> Spool:
    spool = Spool(folder)
    spool.open()
    return spool


def test_what_was_spooled_is_there_after_a_restart(tmp_path: Path) -> None:
    alert = Alert(
        Feed.ALERTS, True, "DRAWDOWN_EMERGENCY", "drawdown/main", "emergency",
        Severity.EMERGENCY, None, "kill_switch", NOW, None, {"a": "b"}, {"description": "ä"},
    )  # fmt: skip
    spool = reopened(tmp_path)
    trips = [operator_trip(), SpooledTrip("two", "kill-two", NOW, AlertKill(alert))]
    for trip in trips:
        spool.add(trip)
    assert sorted(reopened(tmp_path).pending, key=lambda trip: trip.id) == trips


def test_trips_come_back_in_the_order_in_which_they_arrived(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    for name, second in (("b", 3), ("a", 2), ("c", 1)):
        spool.add(operator_trip(name, second))
    assert [trip.id for trip in reopened(tmp_path).pending] == ["c", "a", "b"]


def test_what_the_store_has_taken_is_forgotten(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    first, second = operator_trip("one"), operator_trip("two")
    spool.add(first)
    spool.add(second)
    spool.merged([first])
    assert list(spool.pending) == [second]
    assert list(reopened(tmp_path).pending) == [second]


@pytest.mark.parametrize("left", [b"", b'{"id": "torn", "kill_i', b"\xff\x00"])
def test_a_file_that_cannot_be_read_is_still_a_trip(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "torn.jsonl").write_bytes(left)
    (trip,) = reopened(tmp_path).pending
    assert trip.id == "torn"
    assert isinstance(trip.kill, UnknownKill)
    assert trip.kill.evidence.startswith("torn.jsonl")


def test_a_trip_that_cannot_be_written_stays_pending_and_says_so(tmp_path: Path) -> None:
    spool = reopened(tmp_path / "spool")
    (tmp_path / "spool").rmdir()
    with pytest.raises(SpoolError, match="cannot be spooled"):
        spool.add(operator_trip())
    assert [trip.id for trip in spool.pending] == ["one"]
