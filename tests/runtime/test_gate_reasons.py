"""The reasons beside a lease: a running lease opens the gate only where they agree with it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_files import BOOT, BUY, KILL, REDUCE, SECOND, detail_with, gate_at, lease_bytes
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from risk_policy.contracts import gate as contract
from risk_policy.contracts.scope import Scope
from risk_runtime import GateState, TradeGate

MAIN = Scope(account="main")
LATER = {"kind": "size_multiplier", "factor": "0.5"}


@pytest.mark.parametrize("order", [(LATER, KILL), (KILL, LATER), (LATER, {"odd": 1}, KILL)])
def test_a_restriction_of_a_later_version_does_not_hide_the_kill_switch(
    gate_dir: Path, order: tuple[dict[str, Any], ...]
) -> None:
    detail = detail_with(*order, halted=True)
    gate = gate_at(gate_dir, lease_bytes(lease_ns=contract.HALT), detail=detail)
    directive = gate.directive(MAIN)
    assert directive is not None
    assert directive.id == "k1"
    assert "DRAWDOWN_EMERGENCY" in gate.check(BUY).reason


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (detail_with(LATER), "size_multiplier"),
        (detail_with(KILL), "although the lease runs"),
        (detail_with(halted=True), "although the lease runs"),
        (detail_with(version=6), "of version 6, the lease of version 7"),
        (detail_with(schema_version=3), "of a later version of the risk layer"),
        (detail_with(LATER, schema_version=3), "of a later version of the risk layer"),
        (detail_with()[:-1], "damaged"),
        (b"rubbish", "damaged"),
    ],
)
def test_a_running_lease_is_not_enough_where_its_reasons_are_against_it_or_cannot_be_read(
    gate_dir: Path, detail: bytes, reason: str
) -> None:
    gate = gate_at(gate_dir, lease_bytes(), detail=detail)
    for _ in range(2):
        decision = gate.check(BUY)
        assert (decision.allowed, decision.state) == (False, GateState.UNTRUSTED)
        assert reason in decision.reason
        assert gate.check(REDUCE).allowed
    (gate_dir / contract.DETAIL_FILE).write_bytes(detail_with())
    assert gate.check(BUY).allowed, "as soon as they are put back"


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (os.mkfifo, "no regular file"),
        (os.mkdir, "no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path: bind(path), "cannot be read"),
    ],
    ids=["pipe", "folder", "device", "socket"],
)
def test_what_is_no_file_in_place_of_the_reasons_keeps_nobody_waiting(
    gate_dir: Path, put: Callable[[Path], object], reason: str
) -> None:
    gate_at(gate_dir, lease_bytes())
    (gate_dir / contract.DETAIL_FILE).unlink()
    put(gate_dir / contract.DETAIL_FILE)
    gate = TradeGate(gate_dir, boot=BOOT, clock=lambda: 100 * SECOND)
    decision = gate.check(BUY)
    assert (decision.allowed, decision.state) == (False, GateState.UNTRUSTED)
    assert "gate.json cannot be read" in decision.reason
    assert reason in decision.reason
    assert gate.check(REDUCE).allowed


@pytest.mark.parametrize(
    ("lease", "state"),
    [
        (101 * SECOND, GateState.OPEN),
        (99 * SECOND, GateState.STALE),
        (contract.HALT, GateState.HALTED),
    ],
)
def test_reasons_that_are_known_are_not_read_at_every_look(
    gate_dir: Path, lease: int, state: GateState
) -> None:
    held = {**KILL, "scope": {"account": "main"}} if state is GateState.OPEN else KILL
    detail = detail_with(held, halted=state is GateState.HALTED)
    gate = gate_at(gate_dir, lease_bytes(lease_ns=lease), detail=detail)
    first = gate.read()
    assert (first.state, [one.id for one in first.kills]) == (state, ["k1"])
    (gate_dir / contract.DETAIL_FILE).write_bytes(b"rubbish")
    assert gate.read() == first, "the version has not moved"


def test_a_running_lease_without_its_reasons_is_not_enough(gate_dir: Path) -> None:
    gate_at(gate_dir, lease_bytes())
    (gate_dir / contract.DETAIL_FILE).unlink()
    gate = TradeGate(gate_dir, boot=BOOT, clock=lambda: 100 * SECOND)
    assert gate.check(BUY).state is GateState.UNTRUSTED
    assert "gate.json is missing" in gate.check(BUY).reason
    assert gate.check(REDUCE).allowed


def test_reasons_are_read_again_when_the_version_moves_and_when_the_file_is_another(
    writer: Any, gate: TradeGate, new_writer: Callable[[], Any], eventually: Callable[..., None]
) -> None:
    writer.open()
    assert gate.check(BUY).allowed
    detail = writer.directory / contract.DETAIL_FILE
    detail.write_bytes(b"rubbish")
    writer.store(contract.now_ns() + SECOND, 2)
    assert gate.check(BUY).state is GateState.UNTRUSTED
    writer.open()
    assert gate.check(BUY).allowed
    detail.write_bytes(b"rubbish")
    new_writer().store(contract.now_ns() + 50 * SECOND, writer.version)
    eventually(lambda: gate.check(BUY).state is GateState.UNTRUSTED, seconds=1.0)


@pytest.mark.parametrize("version", [6, 7])
def test_a_kill_of_an_older_version_than_a_running_lease_closes_no_position(
    gate_dir: Path, version: int
) -> None:
    detail = detail_with(KILL, halted=True, version=version)
    gate = gate_at(gate_dir, lease_bytes(), detail=detail)
    assert not gate.check(BUY).allowed
    assert (gate.directive(MAIN) is None) is (version == 6), "it may have been cleared since"


@given(
    detail=st.binary(max_size=200)
    | st.builds(
        lambda version, halted, schema, held: detail_with(
            *held, version=version, halted=halted, schema_version=schema
        ),
        st.integers(5, 9),
        st.booleans(),
        st.integers(0, 3),
        st.lists(st.sampled_from([KILL, LATER, {}, {"kind": "kill_switch"}]), max_size=2),
    )
)
@example(detail_with())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_beside_a_running_lease_open_the_gate_but_reasons_that_allow_it(
    gate_dir: Path, detail: bytes
) -> None:
    gate = gate_at(gate_dir, lease_bytes(), detail=detail or b" ")
    try:
        said = json.loads(detail)
        schema = said.get("schema_version", 2)
        allows = (schema, said["halted"], said["restrictions"]) == (2, False, [])
        expected = allows and said["version"] >= 7
    except (ValueError, TypeError, KeyError, AttributeError):
        expected = False
    assert gate.check(BUY).allowed is expected
    assert gate.check(BUY).allowed is expected
    assert gate.check(REDUCE).allowed


@given(words=st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_the_detail_file_opens_the_gate_or_raises(
    gate_dir: Path, words: bytes
) -> None:
    gate = gate_at(gate_dir, lease_bytes(lease_ns=0), detail=words or b" ")
    assert not gate.check(BUY).allowed
    assert gate.directive(MAIN) is None
