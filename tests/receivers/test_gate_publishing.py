"""What the published gate does at its edges: a full folder, a stop, a start over what was there."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.contracts.marker import HALTED_FILE
from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.errors import StartError
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Trigger

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tripped(scope: Scope = EVERYTHING) -> KillBoard:
    why = "DRAWDOWN_EMERGENCY"
    pull = Trigger("key", "kill-1", KillMode.IMMEDIATE, why, "emergency", NOW, scope=scope)
    event = KillBoard().on_trigger(pull)
    assert event is not None
    return KillBoard().after(event)


def publisher(folder: Path, may_renew: Callable[[], bool] = lambda: True) -> GatePublisher:
    return GatePublisher(
        folder, lease_seconds=30, renew_seconds=0.02, policy_digest="abc", may_renew=may_renew
    )


def held(count: int) -> list[Restriction]:
    return [
        Restriction(
            kind=RestrictionKind.BLOCK_TRADE, id=str(n), cause="x" * 200, level="y", since=NOW
        )
        for n in range(count)
    ]


def test_a_lease_file_that_cannot_be_used_stops_the_start_and_holds_nobody_else_up(
    tmp_path: Path,
) -> None:
    (tmp_path / contract.LEASE_FILE).mkdir()
    with pytest.raises(StartError, match="lease file cannot be used"), publisher(tmp_path):
        pass
    (tmp_path / contract.LEASE_FILE).rmdir()
    with publisher(tmp_path):
        pass


def test_a_stop_does_not_wait_for_the_next_renewal(tmp_path: Path) -> None:
    made = GatePublisher(
        tmp_path, lease_seconds=50, renew_seconds=40, policy_digest="", may_renew=lambda: True
    )
    with made as gate:
        gate.apply(KillBoard())
        gate.start()
        stopping = threading.Thread(target=gate.withdraw)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_trip_after_the_end_of_a_publisher_harms_nobody(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text(), "it has let go of its files"
    gate.shut(tripped())
    assert gate.is_halted


def test_nothing_is_said_of_the_reasons_before_the_recorded_state_is_known(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        assert gate.ordered_id == ""
        gate.start()
        wait_until(lambda: gate.is_alive)
        gate.apply(KillBoard())
        wait_until(lambda: gate.is_open)  # having had nothing to look after before harms nobody
        gate.apply(tripped())
        assert gate.is_withdrawn is False
        gate.withdraw()
        assert (gate.is_withdrawn, gate.is_alive) == (True, False)
    before = (tmp_path / contract.DETAIL_FILE).read_bytes()
    with publisher(tmp_path) as gate:
        gate.start()
        wait_until(lambda: gate.is_alive)
        renewed = gate._renewed_ns
        wait_until(lambda: gate._renewed_ns > renewed)
        assert (tmp_path / contract.DETAIL_FILE).read_bytes() == before


def test_a_halt_that_was_taken_away_stays_one_for_who_still_reads_it(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    lease = tmp_path / contract.LEASE_FILE
    with publisher(tmp_path) as gate:
        gate.apply(tripped())
        gate.start()
        with (
            lease.open("rb") as stream,
            mmap.mmap(stream.fileno(), contract.SIZE, access=mmap.ACCESS_READ) as mapping,
        ):
            lease.unlink()
            wait_until(lease.exists)
            wait_until(lambda: gate.is_alive)
            assert mapping[:8] == bytes(8)


def test_no_lease_is_granted_in_a_file_that_no_longer_stands_there(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    lease = tmp_path / contract.LEASE_FILE
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        gate.start()
        wait_until(lambda: gate.is_open)
        lease.unlink()
        lease.mkdir()  # nor can it be made again
        wait_until(lambda: not gate.is_alive)
        rounds: list[int] = []
        for _ in range(3):
            rounds.append(gate._renewed_ns)
            wait_until(lambda: gate._renewed_ns > rounds[-1])
            assert not gate.is_open, "for who still reads the old one"


def test_reasons_that_nobody_can_read_are_replaced(tmp_path: Path) -> None:
    (tmp_path / contract.DETAIL_FILE).write_bytes(b"rubbish")
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        assert contract.read_detail(tmp_path) is not None


def test_it_renews_as_often_as_it_was_told_to(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    asked: list[float] = []

    def may_renew() -> bool:
        asked.append(time.monotonic())
        return True

    with publisher(tmp_path, may_renew) as gate:
        gate.apply(KillBoard())
        gate.start()
        wait_until(lambda: len(asked) > 10)
        assert asked[10] - asked[0] > 8 * 0.02


def test_a_clearing_of_what_was_no_halt_ends_no_lease(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    healthy = [True]
    with publisher(tmp_path, may_renew=lambda: healthy[0]) as gate:
        gate.apply(KillBoard())
        gate.start()
        wait_until(lambda: gate.is_open)
        healthy[0] = False
        gate.release(KillBoard())
        assert gate.is_open


def test_that_somebody_took_the_reasons_away_is_logged_and_their_first_writing_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        gate.apply(KillBoard())
        assert "taken away" not in caplog.text
        (tmp_path / contract.DETAIL_FILE).unlink()
        gate.apply(KillBoard())
        assert "gate.json was taken away or changed" in caplog.text


def test_no_process_goes_on_for_the_renewing_alone(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        gate.start()
        assert [one.daemon for one in threading.enumerate() if one.name == "gate"] == [True]


def test_a_lease_file_alone_keeps_the_version_and_is_for_the_folders_group(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        assert not gate.found_halted
        gate.apply(tripped())
        version = gate.version
    (tmp_path / contract.DETAIL_FILE).unlink()
    assert (tmp_path / contract.LEASE_FILE).stat().st_mode & 0o777 == 0o640
    with publisher(tmp_path) as gate:
        assert gate.version == version
        assert gate.found_halted, "somebody decided that"


def test_a_file_of_somebody_else_has_no_version(tmp_path: Path) -> None:
    (tmp_path / contract.LEASE_FILE).write_bytes(b"\x01" * contract.SIZE)
    with publisher(tmp_path) as gate:
        assert gate.version == 0


@pytest.mark.parametrize(("length", "has_room"), [(16_384, True), (16_385, False)])
def test_a_spare_takes_what_it_has_room_for_and_one_is_enough(
    tmp_path: Path, length: int, has_room: bool
) -> None:
    file = DetailFile(tmp_path)
    (tmp_path / ".gate.json.spare-1").mkdir()
    file.prepare()
    (tmp_path / f".{contract.DETAIL_FILE}.{os.getpid()}").mkdir()  # no room but the spares'
    detail = contract.GateDetail(version=1, halted=False, policy_digest="", written_at=NOW)
    fill = length - len(contract.encode_detail(detail))
    detail = detail.model_copy(update={"policy_digest": "x" * fill})
    with contextlib.nullcontext() if has_room else pytest.raises(OSError, match="directory"):
        file.show(detail)
    assert file.holds(detail) is has_room


def test_what_is_held_is_written_at_once_but_not_before_the_recorded_state_is_known(
    tmp_path: Path,
) -> None:
    with publisher(tmp_path) as gate:  # whose renewing thread was not started
        gate.hold(held(1))
        assert contract.read_detail(tmp_path) is None
        gate.apply(KillBoard())
        gate.hold(held(2))
        found = contract.read_detail(tmp_path)
        assert found is not None
        assert len(found.restrictions) == 2


def tell_what_is_owed(
    gate: GatePublisher,
    folder: Path,
    wait_until: Callable[..., Any],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Hold what finds no room, make room, start, and see that a lease means that it is told."""
    gate.apply(KillBoard())
    staging = folder / f".{contract.DETAIL_FILE}.{os.getpid()}"
    staging.mkdir()
    gate.hold(held(200))  # which no spare has room for
    meanwhile()
    staging.rmdir()
    gate.start()
    wait_until(lambda: gate.is_open)
    found = contract.read_detail(folder)
    assert found is not None
    assert len(found.restrictions) == 200


def test_what_is_held_and_could_not_be_written_is_tried_again(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        tell_what_is_owed(gate, tmp_path, wait_until)
        assert 0 < gate.lease_remaining_seconds <= 30
        gate.withdraw()
        assert gate.lease_remaining_seconds == 0


def test_a_lease_file_that_is_lost_meanwhile_makes_nobody_forget_what_is_owed(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        tell_what_is_owed(gate, tmp_path, wait_until, (tmp_path / contract.LEASE_FILE).unlink)


@pytest.mark.parametrize("has_spares", [True, False])
def test_no_lease_runs_on_the_kills_alone_once_there_is_room_for_all_of_it(
    tmp_path: Path, wait_until: Callable[..., Any], has_spares: bool
) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        gate.hold(held(200))
        taken = [tmp_path / f".{contract.DETAIL_FILE}.{os.getpid()}"]
        if not has_spares:
            taken += tmp_path.glob(".gate.json.spare-*")
        for path in taken:
            path.unlink(missing_ok=True)
            path.mkdir()
        gate.apply(tripped(Scope(account="main")))
        told = contract.read_detail(tmp_path)
        assert told is not None
        assert bool(told.kills) is has_spares
        for path in taken:
            path.rmdir()
        gate.start()
        wait_until(lambda: gate.is_open)
        found = contract.read_detail(tmp_path)
        assert found is not None
        assert (len(found.kills), len(found.restrictions)) == (1, 201)


def test_reasons_of_another_version_than_the_lease_files_are_written_anew(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        for _ in range(2):
            gate.apply(KillBoard())
            (tmp_path / contract.DETAIL_FILE).unlink()
        gate.apply(KillBoard())
        before = contract.read_detail(tmp_path)
    assert before is not None
    contract.write_detail(tmp_path, before.model_copy(update={"version": 1}))  # of a backup
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        found = contract.read_detail(tmp_path)
        assert found is not None
        assert found.version == gate.version > before.version


def test_a_file_says_that_it_is_halted(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        assert not (tmp_path / HALTED_FILE).exists()
        gate.apply(tripped())
        assert "DRAWDOWN_EMERGENCY" in (tmp_path / HALTED_FILE).read_text()


def test_where_not_all_finds_room_at_least_what_is_to_be_closed_is_told(tmp_path: Path) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        (tmp_path / f".{contract.DETAIL_FILE}.{os.getpid()}").mkdir()  # no room but the spares'
        gate.hold(held(200))
        found = contract.read_detail(tmp_path)
        assert found is not None
        assert found.restrictions == ()
        DetailFile(tmp_path).prepare()
        gate.apply(tripped())
        found = contract.read_detail(tmp_path)
        assert found is not None
        assert [one.id for one in found.known] == ["kill-1"]
        assert found.halted
        assert found.version == gate.version
        DetailFile(tmp_path).prepare()
        gate.apply(tripped())
        assert gate.version == found.version, "it was told"


def test_what_finds_no_room_at_all_is_told_as_soon_as_there_is_some(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        gate.apply(KillBoard())
        gate.hold(held(1))
        version, staging = gate.version, tmp_path / f".{contract.DETAIL_FILE}.{os.getpid()}"
        staging.mkdir()
        for spare in tmp_path.glob(".gate.json.spare-*"):
            spare.unlink()
        gate.apply(tripped())  # and raises nothing
        assert gate.is_halted
        assert gate.version == version, "readers are not sent to what is not there"
        staging.rmdir()
        gate.start()

        def is_told() -> bool:
            found = contract.read_detail(tmp_path)
            return found is not None and found.halted and len(found.restrictions) == 2

        wait_until(is_told)


def test_reasons_are_for_the_folders_group_however_they_were_written(tmp_path: Path) -> None:
    file = DetailFile(tmp_path)
    assert file.files[0] == tmp_path / contract.DETAIL_FILE
    (tmp_path / ".gate.json.spare-0").mkdir()  # as a full disk has it
    file.prepare()
    spares = [path for path in file.files[1:] if path.is_file()]
    assert len(spares) == len(KillMode) - 1
    spares[0].unlink()  # what is not there is no reason not to take the next
    opened = len(list(Path("/proc/self/fd").iterdir()))
    detail = contract.GateDetail(version=1, halted=False, policy_digest="abc", written_at=NOW)
    for number in (0, 200):
        whole = detail.model_copy(update={"restrictions": tuple(held(number))})
        assert not file.holds(whole)
        file.show(whole)
        assert file.holds(whole)
        file.keep()
        assert (tmp_path / contract.DETAIL_FILE).stat().st_mode & 0o777 == 0o640
        assert all(path.is_file() for path in spares), "each has its space again"
    for number in range(20):
        file.show(detail.model_copy(update={"version": number}))
        file.keep()
    assert len(list(Path("/proc/self/fd").iterdir())) < opened + 20
