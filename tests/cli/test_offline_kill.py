"""A kill where nobody answers: whatever can be written is, and whoever starts next can start."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.scope import EVERYTHING
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.lease_file import LeaseFile
from risk_runtime import GateState, TradeGate
from riskwarden.offline_kill import Tripped, trip
from riskwarden.stack.layout import Layout

SOMEBODY = 12_345


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A folder that receivers have left, with all of its space taken."""
    layout = Layout(tmp_path)
    layout.gate.mkdir()
    lease = LeaseFile(layout.gate, longest_ns=5_000_000_000, version=7, halted=False)
    lease.close()
    DetailFile(layout.gate).prepare()
    return layout


def killed(layout: Layout, mode: KillMode = KillMode.IMMEDIATE) -> Tripped:
    return trip(layout, mode, "the feed looks wrong", "desk")


def test_where_no_order_can_be_written_halt_is(layout: Layout) -> None:
    (layout.gate / f".{marker.ORDER_FILE}.{os.getpid()}").mkdir()  # as a full disk, it takes none
    (layout.root / "spool").touch()
    done = killed(layout)
    assert (done.ordered, done.halted, done.reasoned) == (False, True, True)
    assert done.not_kept
    gate = TradeGate(layout.gate)
    assert gate.read().state is GateState.HALTED
    directive = gate.directive(EVERYTHING)
    assert directive is not None
    assert directive.mode is KillMode.IMMEDIATE


def test_where_halt_cannot_be_written_the_order_stands_and_that_is_said(layout: Layout) -> None:
    (layout.gate / contract.LOCK_FILE).mkdir()
    done = killed(layout)
    assert (done.ordered, done.halted, done.reasoned) == (True, False, True)
    assert contract.LOCK_FILE in done.not_halted
    assert TradeGate(layout.gate).read().state is GateState.HALTED
    assert list((layout.root / "spool").glob("*.jsonl"))


def test_where_nothing_can_be_written_that_is_an_error(layout: Layout) -> None:
    (layout.gate / f".{marker.ORDER_FILE}.{os.getpid()}").mkdir()
    (layout.gate / contract.LOCK_FILE).mkdir()
    with pytest.raises(OSError, match=marker.ORDER_FILE):
        killed(layout)


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root makes files for others")
def test_what_root_makes_can_be_used_by_whom_the_folder_belongs_to(layout: Layout) -> None:
    for path in (layout.root, layout.gate, *layout.gate.iterdir()):
        os.chown(path, SOMEBODY, SOMEBODY)
    before = os.umask(0o077)
    try:
        killed(layout)
    finally:
        os.umask(before)
    made = [path for path in layout.root.rglob("*") if path.name != marker.ORDER_FILE]
    assert {path.stat().st_uid for path in made} == {SOMEBODY}
    order = layout.gate / marker.ORDER_FILE
    assert stat.S_IMODE(order.stat().st_mode) & 0o044 == 0o044, "unread it has another mode"
