"""The lease: the gate's reader rules, one by one, over real files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_files import BOOT, BUY, REDUCE, SECOND, detail_with, gate_at, lease_bytes
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from risk_policy.contracts import gate as contract
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import GateState, TradeGate

MAIN = Scope(account="main")


def test_a_lease_that_has_not_ended_opens_the_gate(gate_dir: Path) -> None:
    decision = gate_at(gate_dir, lease_bytes()).check(BUY)
    assert decision.allowed
    assert (decision.state, decision.gate_version) == (GateState.OPEN, 7)


def test_a_missing_file_closes_the_gate(gate_dir: Path) -> None:
    decision = TradeGate(gate_dir).check(BUY)
    assert not decision.allowed
    assert decision.state is GateState.MISSING
    assert "gate.lease is missing" in decision.reason
    assert decision.gate_version == 0


def test_a_missing_folder_closes_the_gate(tmp_path: Path) -> None:
    assert TradeGate(tmp_path / "nowhere").check(BUY).state is GateState.MISSING


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        (b"", GateState.UNTRUSTED, "0 bytes long instead of 64"),
        (lease_bytes()[:63], GateState.UNTRUSTED, "63 bytes long"),
        (lease_bytes() + b"\0", GateState.UNTRUSTED, "65 bytes long"),
        (lease_bytes().replace(b"RWGATE01", b"RWGATE02"), GateState.UNTRUSTED, "magic"),
        (lease_bytes(boot=bytes(16)), GateState.UNTRUSTED, "before the machine last started"),
        (lease_bytes(lease_ns=0), GateState.HALTED, "halted"),
        (lease_bytes(lease_ns=98 * SECOND), GateState.STALE, "ended 2.0 s ago"),
        (lease_bytes(lease_ns=100 * SECOND), GateState.STALE, "ended 0.0 s ago"),
        (lease_bytes(lease_ns=110 * SECOND), GateState.IMPLAUSIBLE, "lies 10.0 s ahead"),
        (lease_bytes(lease_ns=2**64 - 1), GateState.IMPLAUSIBLE, "more than the 3.0 s"),
    ],
)
def test_anything_but_a_valid_lease_refuses_new_risk_and_says_why(
    gate_dir: Path, data: bytes, state: GateState, reason: str
) -> None:
    gate = gate_at(gate_dir, data)
    decision = gate.check(BUY)
    assert not decision.allowed
    assert decision.state is state
    assert reason in decision.reason
    assert gate.check(REDUCE).allowed
    assert reason in gate.check(REDUCE).reason


def test_a_folder_in_the_place_of_the_file_closes_the_gate(gate_dir: Path) -> None:
    (gate_dir / contract.LEASE_FILE).mkdir()
    gate = TradeGate(gate_dir)
    assert gate.check(BUY).state is GateState.UNTRUSTED
    assert gate.check(REDUCE).allowed


def test_a_file_that_leads_nowhere_closes_the_gate(gate_dir: Path) -> None:
    (gate_dir / contract.LEASE_FILE).symlink_to(contract.LEASE_FILE)
    decision = TradeGate(gate_dir).check(BUY)
    assert decision.state is GateState.UNTRUSTED
    assert "gate.lease cannot be mapped" in decision.reason


def swap(path: Path) -> Callable[[], None]:
    away = path.rename(path.with_name("away"))
    return lambda: (away.rename(path), None)[1]


def loop(path: Path) -> Callable[[], None]:
    away = path.rename(path.with_name("away"))
    path.symlink_to(path.name)
    return lambda: (away.replace(path), None)[1]


def lengthen(path: Path) -> Callable[[], None]:
    with path.open("ab") as stream:
        stream.write(b" ")
    return lambda: os.truncate(path, contract.SIZE)


@pytest.mark.parametrize("damage", [swap, loop, lengthen])
def test_what_was_damaged_and_mended_has_to_give_its_reasons_anew(
    gate_dir: Path, damage: Callable[[Path], Callable[[], None]]
) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    assert gate.check(BUY).allowed
    mend = damage(gate_dir / contract.LEASE_FILE)
    assert gate.read().state is not GateState.OPEN
    assert not gate.check(BUY).allowed, "at once, whenever the files were to be looked at"
    (gate_dir / contract.DETAIL_FILE).write_bytes(b"rubbish")
    mend()
    assert "gate.json is damaged" in gate.check(BUY).reason


def test_a_mapped_file_that_no_longer_is_a_lease_closes_the_gate_once_that_was_seen(
    gate_dir: Path,
) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    assert gate.check(BUY).allowed
    with (gate_dir / contract.LEASE_FILE).open("r+b") as file:
        file.write(lease_bytes(boot=bytes(16)))
    assert gate.read().state is GateState.UNTRUSTED
    assert gate.check(BUY).state is GateState.UNTRUSTED


def test_the_reason_of_a_halt_is_found_before_the_version_has_moved(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with())
    assert gate.check(BUY).allowed
    with (gate_dir / contract.LEASE_FILE).open("r+b") as file:
        file.write(lease_bytes(lease_ns=contract.HALT))
    assert gate.directive(MAIN) is None
    kill = {
        "kind": "kill_switch",
        "mode": "pause",
        "id": "k1",
        "cause": "x",
        "level": "y",
        "since": "2008-10-02T00:00:00Z",
    }
    (gate_dir / contract.DETAIL_FILE).write_bytes(detail_with(kill, version=8, halted=True))
    directive = gate.directive(MAIN)
    assert directive is not None
    assert directive.id == "k1"


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_lease_ends_on_the_nanosecond(gate_dir: Path, offset: int) -> None:
    data = lease_bytes(lease_ns=101 * SECOND)
    gate = gate_at(gate_dir, data, 101 + offset / SECOND)
    assert gate.check(BUY).allowed is (offset < 0)


def test_a_clock_that_jumps_back_does_not_open_the_gate(gate_dir: Path) -> None:
    gate_at(gate_dir, lease_bytes())
    clock = [100 * SECOND]
    gate = TradeGate(gate_dir, boot=BOOT, clock=lambda: clock[0])
    assert gate.check(BUY).allowed
    clock[0] = 90 * SECOND
    assert gate.check(BUY).state is GateState.IMPLAUSIBLE
    clock[0] = 200 * SECOND
    assert gate.check(BUY).state is GateState.STALE


def test_the_files_are_looked_at_again_after_a_while_and_not_for_every_order(
    gate_dir: Path,
) -> None:
    gate_at(gate_dir, lease_bytes(lease_ns=130 * SECOND, longest_ns=60 * SECOND))
    clock = [100 * SECOND]
    gate = TradeGate(gate_dir, boot=BOOT, clock=lambda: clock[0], recheck_seconds=10)
    assert gate.check(BUY).allowed
    (gate_dir / contract.LEASE_FILE).unlink()
    assert gate.check(BUY).allowed, "a look at the files would have closed it"
    clock[0] += 10 * SECOND - 1
    assert gate.check(BUY).allowed
    clock[0] += 1
    assert gate.check(BUY).state is GateState.MISSING


def test_a_lease_that_is_renewed_while_it_is_read_is_still_a_lease(gate_dir: Path) -> None:
    """The reader may be put to sleep anywhere, for longer than it takes to renew."""
    now = [100 * SECOND]

    def clock() -> int:
        seen, now[0] = now[0], now[0] + SECOND
        with (gate_dir / contract.LEASE_FILE).open("r+b") as file:
            file.write(lease_bytes(lease_ns=now[0] + 3 * SECOND))
        return seen

    gate_at(gate_dir, lease_bytes(lease_ns=103 * SECOND))
    gate = TradeGate(gate_dir, boot=BOOT, clock=clock)
    for _ in range(10):
        assert gate.read().state is GateState.OPEN
        assert gate.check(BUY).allowed


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=80),
        st.binary(min_size=64, max_size=64),
        st.builds(
            lambda lease, version, longest, boot: contract.encode(
                lease_ns=lease, version=version, longest_ns=longest, boot=boot
            ),
            st.integers(99 * SECOND, 105 * SECOND) | st.integers(0, 2**64 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 5 * SECOND),
            st.sampled_from([BOOT, bytes(16)]),
        ),
    )
)
@example(lease_bytes())
def test_no_bytes_open_the_gate_but_a_valid_unexpired_lease(gate_dir: Path, data: bytes) -> None:
    now = 100 * SECOND
    valid = len(data) == 64 and data[16:24] == b"RWGATE01" and data[32:48] == BOOT
    lease, longest = int.from_bytes(data[:8], "little"), int.from_bytes(data[24:32], "little")
    gate = gate_at(gate_dir, data)
    expected = valid and now < lease <= now + longest
    assert gate.check(BUY).allowed is expected
    assert gate.check(BUY).allowed is expected
    assert gate.check(REDUCE).allowed


def test_a_refusal_names_switch_mode_cause_and_level(writer: Any, gate: TradeGate) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    writer.kill(cause="DRAWDOWN_EMERGENCY")
    decision = gate.check(BUY)
    assert decision.reason == (
        "kill switch tripped, mode immediate: DRAWDOWN_EMERGENCY (emergency)"
    )
    assert decision.gate_version == writer.version
    assert gate.check(REDUCE).allowed


def test_halt_closes_the_gate_at_the_next_check_even_before_its_reason_is_written(
    writer: Any, gate: TradeGate
) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    writer.halt_without_reason()
    assert gate.check(BUY).reason == "new risk is halted"
    assert gate.directive(MAIN) is None


def test_the_directive_outlives_its_writer_and_the_lease_file(
    writer: Any, gate: TradeGate, gate_dir: Path
) -> None:
    writer.kill(kill_id="kill-42", mode=KillMode.PAUSE)
    (gate_dir / contract.LEASE_FILE).unlink()
    directive = gate.directive(MAIN)
    assert directive is not None
    assert (directive.id, directive.mode) == ("kill-42", KillMode.PAUSE)
    assert "kill switch tripped, mode pause" in gate.check(BUY).reason
    assert "missing" in gate.check(BUY).reason


def test_an_open_gate_has_no_directive_and_a_cleared_switch_opens_it_again(
    writer: Any, gate: TradeGate
) -> None:
    writer.kill()
    assert gate.directive(MAIN) is not None
    writer.open()
    assert gate.directive(MAIN) is None
    assert gate.check(BUY).gate_version == writer.version


def test_a_writer_that_maps_the_same_file_again_is_followed(writer: Any, gate: TradeGate) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    with (writer.directory / contract.LEASE_FILE).open("r+b") as stream:
        stream.write(
            contract.encode(
                lease_ns=0, version=9, longest_ns=writer.longest_ns, boot=contract.boot_id()
            )
        )
    assert gate.check(BUY).state is GateState.HALTED
    writer.store(contract.now_ns() + SECOND, 10)
    assert gate.check(BUY).gate_version == 10


def test_a_recreated_file_is_followed_although_the_old_lease_still_runs(
    writer: Any,
    gate: TradeGate,
    new_writer: Callable[[], Any],
    eventually: Callable[..., None],
) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    successor = new_writer()
    eventually(lambda: not gate.check(BUY).allowed, seconds=1.0)
    successor.open()
    assert gate.check(BUY).allowed


def test_a_removed_file_closes_the_gate_although_its_lease_still_runs(
    writer: Any, gate: TradeGate, eventually: Callable[..., None]
) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    (writer.directory / contract.LEASE_FILE).unlink()
    eventually(lambda: gate.check(BUY).state is GateState.MISSING, seconds=1.0)


def test_waiting_ends_within_milliseconds_of_a_trip(writer: Any, gate: TradeGate) -> None:
    writer.open()
    assert gate.wait_change(1.0)  # it was closed when the gate was built
    tripped_at: list[float] = []

    def trip() -> None:
        tripped_at.append(time.monotonic())
        writer.kill()

    timer = threading.Timer(0.05, trip)
    timer.start()
    assert gate.wait_change(5.0)
    assert time.monotonic() - tripped_at[0] < 0.5
    timer.join()


def test_waiting_ends_once_more_when_the_reason_arrives_after_the_halt(
    writer: Any, gate: TradeGate
) -> None:
    writer.open()
    gate.wait_change(1.0)
    writer.halt_without_reason()
    assert gate.wait_change(1.0)
    assert gate.directive(MAIN) is None
    writer.kill()
    assert gate.wait_change(1.0)
    assert gate.directive(MAIN) is not None


def test_waiting_ends_when_the_lease_runs_out(writer: Any, gate: TradeGate) -> None:
    writer.open(seconds=0.05)
    gate.wait_change(1.0)
    assert gate.wait_change(2.0)
    assert gate.read().state is GateState.STALE


def test_waiting_in_vain_takes_as_long_as_asked_and_says_so(writer: Any, gate: TradeGate) -> None:
    writer.open()
    gate.wait_change(1.0)
    began, computed = time.monotonic(), time.thread_time()
    assert not gate.wait_change(0.3)
    assert time.monotonic() - began >= 0.3
    assert time.thread_time() - computed < 0.2, "it sleeps between its looks"


def test_renewing_the_lease_is_no_change(writer: Any, gate: TradeGate) -> None:
    writer.open()
    gate.wait_change(1.0)
    writer.lease(40.0)
    assert not gate.wait_change(0.02)


def test_embedding_the_gate_imports_neither_numpy_nor_the_exporter() -> None:
    code = (
        "import sys, risk_runtime\n"
        "heavy = {'numpy', 'prometheus_client', 'risk_exporter', 'risk_runtime.paper'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_file_may_claim_a_lease_longer_than_the_contract_allows(gate_dir: Path) -> None:
    day = 86_400 * SECOND
    data = lease_bytes(lease_ns=100 * SECOND + day - 1, longest_ns=day)
    decision = gate_at(gate_dir, data).check(BUY)
    assert not decision.allowed
    assert decision.state is GateState.UNTRUSTED
    assert "more than 60 s" in decision.reason
