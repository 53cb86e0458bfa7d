"""The published gate: closed unless it can prove otherwise, and never loosened."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.vocabulary import KillMode
from risk_receivers.errors import GateBusyError, StartError
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Trigger
from risk_runtime import GateState, Order, Side, TradeGate

LEASE = 0.6


def tripped(mode: KillMode = KillMode.IMMEDIATE, kill_id: str = "kill-1") -> KillBoard:
    pull = Trigger("key", kill_id, mode, "DRAWDOWN_EMERGENCY", "emergency", datetime.now(UTC))
    event = KillBoard().on_trigger(pull)
    assert event is not None
    return KillBoard().after(event)


@contextmanager
def publisher(
    folder: Path,
    state: KillBoard | None = None,
    may_renew: Callable[[], bool] = lambda: True,
    digest: str = "abc",
) -> Iterator[GatePublisher]:
    made = GatePublisher(
        folder, lease_seconds=LEASE, renew_seconds=0.05, policy_digest=digest, may_renew=may_renew
    )
    with made as gate:
        if state is not None:
            gate.apply(state)
        gate.start()
        yield gate


def words(folder: Path) -> tuple[int, int, int]:
    data = (folder / contract.LEASE_FILE).read_bytes()
    assert contract.fault(data, contract.boot_id()) is None
    lease, version, longest = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8, 24))
    return lease, version, longest


def is_open(folder: Path) -> bool:
    lease, _, longest = words(folder)
    return contract.lease_is_open(lease, longest, contract.now_ns())


def test_it_opens_once_it_knows_that_nothing_is_tripped(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        assert gate.is_open
        detail = contract.read_detail(tmp_path)
        assert detail is not None
        assert (detail.halted, detail.restrictions, detail.version) == (False, (), gate.version)
        assert words(tmp_path)[2] == round(LEASE * 1e9)


def test_it_stays_closed_until_it_was_told_the_recorded_state(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        wait_until(lambda: gate.is_alive)
        assert not is_open(tmp_path)
        gate.apply(KillBoard())
        wait_until(lambda: is_open(tmp_path))


def test_a_trip_writes_halt_and_then_says_why(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        before = gate.version
        gate.apply(tripped())
        assert words(tmp_path)[:2] == (contract.HALT, before + 1)
        detail = contract.read_detail(tmp_path)
        assert detail is not None
        (held,) = detail.kills
        assert detail.restrictions == (held,)
        (restriction,) = tripped().restrictions
        assert held == restriction.model_copy(update={"since": held.since})
        assert (detail.halted, detail.version) == (True, before + 1)


def test_no_renewal_follows_a_halt(tmp_path: Path, wait_until: Callable[..., Any]) -> None:
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        gate.shut(tripped())
        renewed = gate._renewed_ns
        wait_until(lambda: gate._renewed_ns > renewed + 200_000_000)
        assert words(tmp_path)[0] == contract.HALT
        gate.apply(KillBoard())
        assert not is_open(tmp_path)


def test_a_looser_state_never_loosens_what_is_published(tmp_path: Path) -> None:
    with publisher(tmp_path, tripped(KillMode.IMMEDIATE)) as gate:
        version = gate.version
        gate.apply(tripped(KillMode.PAUSE))
        gate.apply(KillBoard())
        detail = contract.read_detail(tmp_path)
        assert detail is not None
        assert detail.kills
        assert detail.kills[0].mode is KillMode.IMMEDIATE
        assert words(tmp_path)[0] == contract.HALT
        assert gate.version >= version


def test_the_version_moves_with_what_is_said_and_never_otherwise(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    state = tripped(KillMode.PAUSE)
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        first = gate.version
        gate.apply(KillBoard())
        assert gate.version == first
        gate.apply(state)
        gate.apply(state)
        assert gate.version == first + 1
    with publisher(tmp_path, state) as gate:
        assert gate.version == first + 1, "a restart alone says nothing new"
    with publisher(tmp_path, state, digest="another") as gate:
        assert gate.version == first + 2


def test_the_version_goes_on_even_if_the_lease_file_is_lost(tmp_path: Path) -> None:
    with publisher(tmp_path, KillBoard()) as gate:
        gate.apply(tripped())
        last = gate.version
    (tmp_path / contract.LEASE_FILE).unlink()
    with publisher(tmp_path, tripped(kill_id="kill-2")) as gate:
        assert gate.version == last + 1


def test_readers_keep_their_mapping_across_a_restart(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, KillBoard()):
        pass
    with (
        (tmp_path / contract.LEASE_FILE).open("rb") as stream,
        mmap.mmap(stream.fileno(), contract.SIZE, access=mmap.ACCESS_READ) as mapping,
        publisher(tmp_path, KillBoard()),
    ):
        wait_until(
            lambda: int.from_bytes(mapping[:8], "little") > contract.now_ns(),
            what="an old reader sees the new lease",
        )


@pytest.mark.parametrize("content", [b"", b"short", bytes(64), b"x" * 64, b"y" * 4096])
def test_a_damaged_lease_file_is_made_good(
    tmp_path: Path, content: bytes, wait_until: Callable[..., Any]
) -> None:
    (tmp_path / contract.LEASE_FILE).write_bytes(content)
    with publisher(tmp_path, KillBoard()):
        wait_until(lambda: is_open(tmp_path))


def test_a_lease_file_that_is_taken_away_is_made_again_and_the_old_one_closes(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    lease = tmp_path / contract.LEASE_FILE
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        with (
            lease.open("rb") as stream,
            mmap.mmap(stream.fileno(), contract.SIZE, access=mmap.ACCESS_READ) as mapping,
        ):
            lease.unlink()
            wait_until(lambda: lease.exists() and is_open(tmp_path))
            assert int.from_bytes(mapping[:8], "little") <= contract.now_ns()
        assert gate.is_open
        gate.apply(tripped())
        assert words(tmp_path)[0] == contract.HALT
        lease.unlink()
        wait_until(lease.exists)
        assert words(tmp_path)[0] == contract.HALT


def test_a_folder_that_is_taken_away_is_told_at_once(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    folder = tmp_path / "gate"
    with publisher(folder, KillBoard()) as gate:
        wait_until(lambda: gate.is_open)
        folder.rename(tmp_path / "elsewhere")
        wait_until(lambda: not gate.is_alive and not gate.is_open)
        (tmp_path / "elsewhere").rename(folder)
        wait_until(lambda: gate.is_alive and gate.is_open)


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"rubbish"),
        lambda path: path.write_bytes(path.read_bytes() + b" "),
        lambda path: path.write_bytes(path.read_bytes().replace(b"kill-1", b"kill-2")),
        lambda path: path.write_bytes(path.read_bytes().replace(b": 1,", b": 2,", 1)),
        # At once: a file that is gone for a moment may be there again in the next.
        lambda path: (
            (link := path.with_name("link")).symlink_to("nowhere"),
            link.replace(path),
        ),
    ],
)
def test_reasons_that_are_taken_away_or_changed_are_written_again(
    tmp_path: Path, damage: Callable[[Path], object], wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, tripped()) as gate:
        damage(tmp_path / contract.DETAIL_FILE)
        detail = wait_until(
            lambda: (found := contract.read_detail(tmp_path)) and found == gate.detail and found
        )
        assert detail.kills[0].id == "kill-1"
        wait_until(lambda: words(tmp_path)[1] == detail.version)


@pytest.mark.parametrize("name", [contract.DETAIL_FILE, contract.LEASE_FILE])
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting_and_is_replaced(
    tmp_path: Path, name: str, wait_until: Callable[..., Any]
) -> None:
    os.mkfifo(tmp_path / name)
    with publisher(tmp_path, KillBoard()):
        wait_until(lambda: is_open(tmp_path) and contract.read_detail(tmp_path))


def test_a_folder_in_place_of_the_reasons_keeps_the_gate_closed_and_is_told(
    tmp_path: Path, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / contract.DETAIL_FILE).mkdir()
    with publisher(tmp_path, KillBoard()):
        wait_until(lambda: "gate.json cannot be written, trying again" in caplog.text)
        assert not is_open(tmp_path)
        (tmp_path / contract.DETAIL_FILE).rmdir()
        wait_until(lambda: is_open(tmp_path))


def test_an_open_gate_whose_reasons_are_damaged_opens_again_for_who_comes_new(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    def new_risk_is_allowed() -> bool:
        return TradeGate(tmp_path).check(Order("AAPL", Side.BUY, 1, 100.0)).allowed

    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(new_risk_is_allowed)
        before = gate.version
        (tmp_path / contract.DETAIL_FILE).write_bytes(b"rubbish")
        wait_until(lambda: gate.version > before and new_risk_is_allowed())


def test_whoever_reads_while_the_gate_says_something_else_finds_nothing_half_done(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    seen: set[GateState] = set()
    stop = threading.Event()

    def read(gate: TradeGate | None) -> None:
        while not stop.is_set():
            seen.add((gate or TradeGate(tmp_path)).read().state)

    with publisher(tmp_path, KillBoard()):
        wait_until(lambda: is_open(tmp_path))
    readers = [threading.Thread(target=read, args=(one,)) for one in (None, TradeGate(tmp_path))]
    for reader in readers:
        reader.start()
    for digest in "abcdef":
        with publisher(tmp_path, KillBoard(), digest=digest):
            seen.discard(GateState.OPEN)
            wait_until(lambda: GateState.OPEN in seen)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen == {GateState.OPEN, GateState.STALE}


def test_a_folder_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StartError, match="chmod o-w"), publisher(tmp_path, KillBoard()):
        pass


def test_an_unhealthy_store_lets_the_lease_run_out(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    healthy = True
    with publisher(tmp_path, KillBoard(), may_renew=lambda: healthy) as gate:
        wait_until(lambda: is_open(tmp_path))
        healthy = False
        wait_until(lambda: not is_open(tmp_path), LEASE + 2)
        assert words(tmp_path)[0] != contract.HALT, "running out is no decision to halt"
        assert gate.is_alive
        healthy = True
        wait_until(lambda: is_open(tmp_path))


def test_a_stop_ends_the_lease_at_once_without_a_halt(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, KillBoard()):
        wait_until(lambda: is_open(tmp_path))
    assert not is_open(tmp_path)
    assert words(tmp_path)[0] != contract.HALT


def test_a_halt_outlives_a_stop_and_a_restart(tmp_path: Path) -> None:
    with publisher(tmp_path, tripped()):
        pass
    assert words(tmp_path)[0] == contract.HALT
    with publisher(tmp_path):
        assert words(tmp_path)[0] == contract.HALT


def test_a_gate_has_one_publisher(tmp_path: Path) -> None:
    with (
        publisher(tmp_path, KillBoard()),
        pytest.raises(GateBusyError, match="another receivers service"),
        publisher(tmp_path),
    ):
        pass
    with publisher(tmp_path, KillBoard()):
        pass


def test_reasons_that_cannot_be_written_delay_neither_halt_nor_the_next_try(
    tmp_path: Path, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with publisher(tmp_path, KillBoard()) as gate:
        wait_until(lambda: is_open(tmp_path))
        obstacle = tmp_path / contract.DETAIL_FILE
        obstacle.unlink()
        obstacle.mkdir()
        gate.apply(tripped())
        assert words(tmp_path)[0] == contract.HALT
        obstacle.rmdir()
        wait_until(lambda: contract.read_detail(tmp_path), what="the reasons are written later")
        wait_until(lambda: words(tmp_path)[1] == gate.version)
        detail = contract.read_detail(tmp_path)
        assert detail is not None
        assert detail.halted
    assert "gate.json cannot be written" in caplog.text


def cleared(state: KillBoard) -> KillBoard:
    event = state.on_clear(state.everything.kill_id, datetime.now(UTC))
    assert event is not None
    return state.after(event)


def test_a_clearing_alone_takes_a_halt_back_and_the_lease_comes_if_all_else_allows_it(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    healthy = False
    with publisher(tmp_path, tripped(), may_renew=lambda: healthy) as gate:
        gate.apply(KillBoard())
        gate.apply(cleared(tripped()))
        assert words(tmp_path)[0] == contract.HALT, "only a release opens it"
        gate.release(KillBoard())
        assert words(tmp_path)[0] == contract.HALT, "of another state it is none"
        gate.release(cleared(tripped()))
        assert words(tmp_path)[0] != contract.HALT
        wait_until(lambda: gate.detail is not None and not gate.detail.halted)
        reading = TradeGate(tmp_path).read()
        assert (reading.state, reading.kills) == (GateState.STALE, ())
        healthy = True
        wait_until(lambda: is_open(tmp_path))
        wait_until(lambda: TradeGate(tmp_path).read().state is GateState.OPEN)
        gate.apply(tripped())
        assert not gate.is_halted, "late news of what was cleared"
        gate.apply(tripped(kill_id="kill-2"))
        assert words(tmp_path)[0] == contract.HALT
        gate.release(cleared(tripped()))
        assert words(tmp_path)[0] == contract.HALT, "the other kill was not cleared"
    detail = contract.read_detail(tmp_path)
    assert detail is not None
    assert detail.kills
    assert detail.kills[0].id == "kill-2"
