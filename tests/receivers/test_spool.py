"""Trips that the store could not take survive, each exactly once."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from no_room import no_larger_than

from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.errors import SpoolError
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.kill.essence import MOST_BYTES, essence
from risk_receivers.kill.spool import Spool, is_waiting
from risk_receivers.kill.trip import AlertKill, OperatorKill, SpooledTrip, UnknownKill

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


def test_a_trip_keeps_its_scope_and_one_from_before_there_were_scopes_is_about_everything(
    tmp_path: Path,
) -> None:
    spool = reopened(tmp_path)
    kill = OperatorKill(KillMode.PAUSE, "a reason", "somebody", scope="account=main,symbol=BTC-EUR")
    trip = SpooledTrip("one", "kill-one", NOW, kill)
    spool.add(trip)
    assert list(reopened(tmp_path).pending) == [trip]
    assert essence(trip) == trip

    of_before = msgspec.json.decode(msgspec.json.encode(operator_trip("two")))
    del of_before["kill"]["scope"]
    (tmp_path / "two.jsonl").write_bytes(msgspec.json.encode(of_before))
    assert operator_trip("two") in reopened(tmp_path).pending


def test_a_trip_whose_scope_cannot_be_read_closes_nothing_and_refuses_everything(
    tmp_path: Path,
) -> None:
    kill = OperatorKill(KillMode.IMMEDIATE, "a reason", "somebody", scope="desk=seven")
    data = msgspec.json.encode(SpooledTrip("odd", "kill-odd", NOW, kill))
    (tmp_path / "odd.jsonl").write_bytes(data)
    (trip,) = reopened(tmp_path).pending
    assert isinstance(trip.kill, UnknownKill)
    assert trip.kill.mode is KillMode.PAUSE


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
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolError, match="cannot be spooled"):
        spool.add(operator_trip())
    assert [trip.id for trip in spool.pending] == ["one"]
    assert "a trip of the kill switch is held in memory only" in spool.complaint
    with pytest.raises(SpoolError):
        spool.persist()
    (tmp_path / "spool").mkdir()
    spool.persist()
    assert spool.complaint == ""
    assert [trip.id for trip in reopened(tmp_path / "spool").pending] == ["one"]


def test_more_trips_than_slots_and_longer_ones_are_kept_too(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    alert = Alert(
        Feed.ALERTS, True, "DRAWDOWN_EMERGENCY", "drawdown/main", "emergency",
        Severity.EMERGENCY, None, "kill_switch", NOW, None, {"long": "x" * 100_000},
    )  # fmt: skip
    trips = [operator_trip(f"trip-{number:02}", number) for number in range(40)]
    trips.append(SpooledTrip("long", "kill", NOW + timedelta(hours=1), AlertKill(alert)))
    for trip in trips:
        spool.add(trip)
    again = reopened(tmp_path)
    assert list(again.pending) == trips
    again.merged(trips)
    assert list(reopened(tmp_path).pending) == []


def test_slots_are_free_again_once_the_store_has_taken_their_trips(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    for number in range(40):
        trip = operator_trip(f"trip-{number}")
        spool.add(trip)
        assert not list(tmp_path.glob("*.jsonl"))
        spool.merged([trip])


@given(st.integers(0, 300), st.binary(max_size=300))
def test_a_slot_that_was_damaged_is_still_a_trip(
    tmp_path_factory: pytest.TempPathFactory, cut: int, left: bytes
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = reopened(folder)
    spool.add(operator_trip())
    data = bytearray((folder / "slots").read_bytes())
    used = len(bytes(data).rstrip(b"\0"))
    cut = min(cut, used - 1)
    damaged = (bytes(data[: cut + 1]) + left).ljust(len(data), b"\0")
    (folder / "slots").write_bytes(damaged[: len(data)])
    (trip,) = reopened(folder).pending
    whole = damaged.rstrip(b"\0") == bytes(data).rstrip(b"\0")
    assert whole or isinstance(trip.kill, UnknownKill) or trip == operator_trip()


@pytest.mark.parametrize("size", [0, 1, 5000, 10_000_000])
def test_slots_of_another_size_are_made_good(tmp_path: Path, size: int) -> None:
    reopened(tmp_path).add(operator_trip())
    slots = tmp_path / "slots"
    data = slots.read_bytes()
    slots.write_bytes(data[:size].ljust(size, b"\0"))
    found = reopened(tmp_path).pending
    assert len(found) == (size > 0)
    assert len(slots.read_bytes()) == len(data)


def test_it_is_made_with_all_that_leads_to_it_and_holds_no_file_once_closed(
    tmp_path: Path,
) -> None:
    held = len(list(Path("/proc/self/fd").iterdir()))
    spool = reopened(tmp_path / "data" / "spool")
    for _ in range(2):
        spool.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == held


def test_where_no_folder_can_be_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolError, match="the spool cannot be used"):
        reopened(tmp_path / "spool")


def test_without_slots_a_trip_is_kept_in_a_file_and_forgotten_all_the_same(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    in_slot, in_file = operator_trip(), operator_trip("two", 1)
    spool.add(in_slot)
    spool.close()
    spool.add(in_file)
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["two.jsonl"]
    assert list(reopened(tmp_path).pending) == [in_slot, in_file]
    spool.merged([in_slot, in_file])
    assert list(spool.pending) == []
    assert [one.id for one in reopened(tmp_path).pending] == ["one"], "its slot was out of reach"


def test_a_file_that_was_not_finished_is_no_other_than_the_trip_in_the_slot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reopened(tmp_path).add(operator_trip())
    (tmp_path / "one.jsonl").write_bytes(b'{"id": "on')
    assert list(reopened(tmp_path).pending) == [operator_trip()]
    assert "cannot be read" not in caplog.text
    (tmp_path / "two.jsonl").write_bytes(msgspec.json.encode(operator_trip()))
    unknown = {one.id for one in reopened(tmp_path).pending if isinstance(one.kill, UnknownKill)}
    assert unknown == {"two"}, "what stands there under another name"
    assert "a spooled trip cannot be read" in caplog.text


def test_what_somebody_else_puts_there_is_taken_in_once(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    file = tmp_path / "one.jsonl"
    file.write_bytes(msgspec.json.encode(operator_trip()))
    assert spool.look() is True
    assert list(spool.pending) == [operator_trip()]
    assert spool.look() is False
    file.unlink()
    file.mkdir()  # it cannot be erased
    spool.merged([operator_trip()])
    assert spool.look() is False, "the store has it"
    assert list(spool.pending) == []


def test_what_the_store_has_taken_is_not_complained_of(tmp_path: Path) -> None:
    spool = reopened(tmp_path / "spool")
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolError):
        spool.add(operator_trip())
    spool.merged([operator_trip()])
    assert spool.complaint == ""


def test_whether_a_trip_waits_is_seen_without_opening_it(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    assert not is_waiting(folder), "there was never any"
    spool = reopened(folder)
    assert not is_waiting(folder)
    spool.add(operator_trip())
    assert is_waiting(folder)
    spool.merged([operator_trip()])
    assert not is_waiting(folder)
    (folder / "slots").unlink()
    (folder / "one.jsonl").write_bytes(b"")
    assert is_waiting(folder)


def test_what_was_begun_is_gone_once_the_essence_is_in_a_slot(tmp_path: Path) -> None:
    spool = reopened(tmp_path)
    kill = OperatorKill(KillMode.PAUSE, "x" * 1_000_000, "somebody")
    with no_larger_than((tmp_path / "slots").stat().st_size):
        spool.add(SpooledTrip("one", "kill", NOW, kill))
    assert not list(tmp_path.glob("*.jsonl"))
    (trip,) = reopened(tmp_path).pending
    assert isinstance(trip.kill, OperatorKill)


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=40)
@given(ANY, ANY, st.integers(0, 2000), st.booleans())
def test_a_trip_that_has_room_in_a_slot_alone_keeps_who_asked_for_what_about_what(
    tmp_path_factory: pytest.TempPathFactory, account: str, text: str, times: int, asked: bool
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = reopened(folder)
    alert = Alert(
        Feed.ALERTS, True, "DRAWDOWN_EMERGENCY", f"drawdown/{account}", "emergency",
        Severity.EMERGENCY, None, "kill_switch", NOW, None,
        {"pod": text * times, "sector": text * times, "account": account},
        {"description": "it is down" + text * times, "summary": text * times},
    )  # fmt: skip
    kill = OperatorKill(KillMode.PAUSE, "it is down" + text * times, "somebody")
    (folder / "one.jsonl").mkdir()  # as a full disk, it takes no file
    spool.add(SpooledTrip("one", "kill", NOW, kill if asked else AlertKill(alert)))
    spool.close()
    (folder / "one.jsonl").rmdir()
    (trip,) = reopened(folder).pending
    assert (trip.id, trip.kill_id, trip.received_at) == ("one", "kill", NOW)
    if isinstance(trip.kill, OperatorKill):
        assert trip.kill.actor == "somebody"
        assert trip.kill.reason.startswith("it is down")
    else:
        assert isinstance(trip.kill, AlertKill)
        kept = trip.kill.alert
        assert (kept.labels["account"], kept.risk_id) == (account, f"drawdown/{account}")
        assert kept.description.startswith("it is down")


@pytest.mark.parametrize("character", ["x", "\0", "€", "😀"])
def test_the_longest_trip_has_room_in_a_slot(character: str) -> None:
    long = character * 20_000
    names = ("account", "strategy", "venue", "symbol", "asset", "sector", "limit", "escalation")
    alert = Alert(
        Feed.ALERTS, True, long, long, long, Severity.EMERGENCY, None, long, NOW, None,
        dict.fromkeys(names, long), {"description": long},
    )  # fmt: skip
    trip = SpooledTrip(str(uuid4()), str(uuid4()), NOW, AlertKill(alert))
    assert len(msgspec.json.encode(essence(trip))) <= MOST_BYTES
