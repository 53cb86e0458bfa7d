"""An order beside the lease: the gate is closed for it before anybody has recorded it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gate_files import BUY, REDUCE, detail_with, gate_at, lease_bytes

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import GateState, TradeGate

MAIN = Scope(account="main")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SINCE = "2008-10-02T00:00:00Z"


def kill(name: str, mode: str, **more: Any) -> dict[str, Any]:
    known = {"kind": "kill_switch", "cause": "ALERT", "level": "emergency", "since": SINCE}
    return {**known, "id": name, "mode": mode, **more}


def ordered(directory: Path, mode: KillMode | None = KillMode.GRACEFUL, **more: Any) -> None:
    marker.write_order(directory, marker.KillOrder(id="order-1", mode=mode, at=AT, **more))


def test_an_order_closes_the_gate_with_all_that_it_says(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    ordered(gate_dir, reason="the feed is wrong", actor="ann")
    reading = gate.read()
    assert (reading.state, reading.version) == (GateState.HALTED, 0)
    (held,) = reading.kills
    assert (held.id, held.mode, held.since) == ("order-1", KillMode.GRACEFUL, AT)
    assert (held.cause, held.level) == ("the feed is wrong", "ann")
    assert reading.reason == str(held)
    assert gate.directive(MAIN) == held
    assert not gate.check(BUY).allowed
    assert gate.check(REDUCE).allowed
    assert gate.size_ratio(MAIN) == 0


def test_a_file_that_says_nothing_pauses_and_is_named(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    path = gate_dir / marker.ORDER_FILE
    path.touch()
    os.utime(path, (AT.timestamp(), AT.timestamp()))
    (gate_dir / contract.DETAIL_FILE).unlink()
    (held,) = gate.read().restrictions
    assert str(held) == "kill switch tripped, mode pause: the file KILL beside the gate (operator)"
    assert held.since == AT


def test_it_is_obeyed_as_soon_as_somebody_has_seen_it_and_until_it_is_taken_away(
    gate_dir: Path,
) -> None:
    gate = gate_at(gate_dir, lease_bytes())
    assert gate.check(BUY).allowed
    ordered(gate_dir)
    assert gate.directive(MAIN) is not None
    assert not gate.check(BUY).allowed
    (gate_dir / marker.ORDER_FILE).unlink()
    assert gate.check(BUY).allowed


@pytest.mark.parametrize(
    ("published", "mode"),
    [
        ([kill("order-1", "immediate")], KillMode.IMMEDIATE),
        ([kill("order-1", "pause")], KillMode.GRACEFUL),
        ([kill("order-1", "graceful")], KillMode.GRACEFUL),
        ([kill("another", "immediate", scope={"account": "main"})], KillMode.GRACEFUL),
    ],
)
def test_what_is_published_of_it_tightens_it_and_all_else_stays_in_force(
    gate_dir: Path, published: list[dict[str, Any]], mode: KillMode
) -> None:
    block = {
        "kind": "block_trade",
        "id": "b1",
        "cause": "ALERT",
        "level": "warning",
        "since": SINCE,
    }
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with(*published, block))
    ordered(gate_dir, reason="desk")
    reading = gate.read()
    of_it = [one for one in reading.kills if one.id == "order-1"]
    assert [one.mode for one in of_it] == [mode]
    told_by_it = "ALERT" if mode is KillMode.IMMEDIATE else "desk"
    assert [one.cause for one in of_it] == [told_by_it]
    others = [one["id"] for one in published if one["id"] != "order-1"]
    assert [one.id for one in reading.restrictions] == ["order-1", *others, "b1"]


def test_an_order_that_cannot_be_looked_at_is_one(gate_dir: Path) -> None:
    (gate_dir / "file").touch()
    order = marker.read_order(gate_dir / "file")
    assert order is not None
    assert (order.id, order.at) == ("unreadable", datetime(1970, 1, 1, tzinfo=UTC))
    assert "Not a directory" in order.reason
    assert marker.read_order(gate_dir) is None


@pytest.mark.parametrize(("length", "is_read"), [(8192, True), (8193, False)])
def test_no_order_is_read_further_than_8_kibibytes(
    gate_dir: Path, length: int, is_read: bool
) -> None:
    said = b'{"mode": "graceful"}'
    (gate_dir / marker.ORDER_FILE).write_bytes(said[:-1].ljust(length - 1) + b"}")
    order = marker.read_order(gate_dir)
    assert order is not None
    assert (order.mode is KillMode.GRACEFUL) is is_read


def put_folder(path: Path) -> None:
    path.mkdir()


def put_link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("put", [put_folder, put_link, os.mkfifo])
def test_whatever_stands_there_is_an_order_and_can_be_taken_away(
    gate_dir: Path, put: Callable[[Path], None]
) -> None:
    put(gate_dir / marker.ORDER_FILE)
    order = marker.read_order(gate_dir)
    assert order is not None
    assert order.mode is None
    marker.withdraw_order(gate_dir, order)
    assert not marker.is_ordered(gate_dir)
    assert (gate_dir / "elsewhere").is_dir() is (put is put_link)


def test_orders_leave_no_file_open(gate_dir: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        ordered(gate_dir)
        assert marker.read_order(gate_dir) is not None
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


def test_an_order_can_be_read_by_all_who_may_look_into_the_folder(gate_dir: Path) -> None:
    before = os.umask(0o077)
    try:
        ordered(gate_dir)
    finally:
        os.umask(before)
    assert (gate_dir / marker.ORDER_FILE).stat().st_mode & 0o777 == 0o644


def test_a_reader_of_its_own_clock_and_boot_is_not_needed_for_an_order(gate_dir: Path) -> None:
    ordered(gate_dir)
    assert TradeGate(gate_dir).check(BUY).state is GateState.HALTED
