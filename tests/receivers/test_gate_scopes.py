"""A kill of less than everything at the gate: at once for all, and soon only for what it covers."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from risk_policy.contracts import gate as contract
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Trigger
from risk_runtime import GateState, Order, Side, TradeGate

#: Longer than any of these tests takes: what is granted meanwhile was not waited for.
RENEW_SECONDS = 40.0
SOON = 10.0
BTC = Scope(account="main", symbol="BTC-EUR")
BUY_BTC = Order("BTC-EUR", Side.BUY, 1.0, 100.0, account="main")
BUY_ETH = replace(BUY_BTC, symbol="ETH-EUR")
SELL_BTC = replace(BUY_BTC, side=Side.SELL, position_quantity=2.0)


def tripped(
    scope: Scope, before: KillBoard | None = None, mode: KillMode = KillMode.IMMEDIATE
) -> KillBoard:
    board = before or KillBoard()
    pull = Trigger(
        *(f"request:{scope}:{mode}", f"kill {scope}", mode, "why", "operator", datetime.now(UTC)),
        scope=scope,
    )
    event = board.on_trigger(pull)
    assert event is not None
    return board.after(event)


def cleared(board: KillBoard, scope: Scope) -> KillBoard:
    event = board.on_clear(f"kill {scope}", datetime.now(UTC))
    assert event is not None
    return board.after(event)


@contextmanager
def publisher(
    folder: Path, state: KillBoard | None = None, renew_seconds: float = RENEW_SECONDS
) -> Iterator[GatePublisher]:
    made = GatePublisher(
        folder,
        lease_seconds=50.0,
        renew_seconds=renew_seconds,
        policy_digest="abc",
        may_renew=lambda: True,
    )
    with made as gate:
        gate.apply(state or KillBoard())
        gate.start()
        yield gate


def lease(folder: Path) -> int:
    return int.from_bytes((folder / contract.LEASE_FILE).read_bytes()[:8], "little")


@contextmanager
def nothing_can_be_written(folder: Path) -> Iterator[None]:
    detail = folder / contract.DETAIL_FILE
    kept = folder / "kept.json"
    detail.rename(kept)
    detail.mkdir()
    yield
    detail.rmdir()
    kept.rename(detail)


def test_it_closes_for_all_at_once_and_others_go_on_as_soon_as_readers_can_tell(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        board = tripped(BTC)
        started = time.monotonic()
        gate.apply(board)
        assert not runtime.check(BUY_BTC).allowed, "not one order more"
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        assert time.monotonic() - started < SOON, "it did not wait for its next renewal"

        refused = runtime.check(BUY_BTC)
        assert (refused.allowed, refused.state) == (False, GateState.OPEN)
        assert refused.restriction is not None
        assert refused.restriction.id == f"kill {BTC}"
        assert runtime.check(SELL_BTC).allowed, "nobody is trapped"
        assert runtime.check(replace(BUY_BTC, account="other")).allowed
        assert not gate.is_halted
        assert gate.closed_at(f"kill {BTC}") is not None


def test_one_more_closes_for_all_again(tmp_path: Path, wait_until: Callable[..., Any]) -> None:
    with publisher(tmp_path) as gate:
        runtime = TradeGate(tmp_path)
        gate.apply(tripped(BTC))
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        gate.shut(tripped(Scope(account="main", symbol="ETH-EUR"), tripped(BTC)))
        assert not runtime.check(BUY_ETH).allowed, "before anything is written of it"


def test_what_is_shut_in_memory_is_written_by_the_renewing_thread(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path, renew_seconds=0.05) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        gate.shut(tripped(BTC))
        assert not runtime.check(BUY_BTC).allowed
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        assert not runtime.check(BUY_BTC).allowed


def test_where_no_reason_can_be_written_it_stays_closed_for_all(
    tmp_path: Path, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with publisher(tmp_path, renew_seconds=0.02) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        with nothing_can_be_written(tmp_path):
            gate.apply(tripped(BTC))
            ended = lease(tmp_path)
            assert 0 < ended <= contract.now_ns(), "ended, not halted"
            tries = caplog.text.count("gate.json cannot be written")
            wait_until(
                lambda: caplog.text.count("gate.json cannot be written") > tries + 3,
                what="it is tried again",
            )
            assert lease(tmp_path) == ended, "no lease without its reasons"
            assert not runtime.check(BUY_ETH).allowed
            assert runtime.check(SELL_BTC).allowed
            assert gate.kills[0].scope == BTC
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        assert not runtime.check(BUY_BTC).allowed


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch, failing: bool = False) -> Iterator[threading.Event]:
    """No synchronisation ends before the event; then it fails, or not."""
    sync, goes_on = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        assert goes_on.wait(SOON * 3)
        if failing:
            raise OSError(errno.EIO, "the disk does not answer")
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", slow)
        try:
            yield goes_on
        finally:
            goes_on.set()


def test_readers_find_why_before_the_disk_does_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    with publisher(tmp_path) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        with slow_disk(monkeypatch) as goes_on:
            board = KillBoard()
            for scope in (BTC, Scope(account="main", symbol="SOL-EUR"), Scope(account="other")):
                board = tripped(scope, board)
                gate.apply(board)  # also while the disk is at work on the one before
                found = contract.read_detail(tmp_path)
                assert found is not None
                assert scope in {kill.scope for kill in found.kills}
            directive = runtime.directive(BUY_BTC)
            assert directive is not None
            assert directive.id == f"kill {BTC}"
            assert not runtime.check(BUY_ETH).allowed, "no lease before the disk has it"
            goes_on.set()
            wait_until(lambda: runtime.check(BUY_ETH).allowed)
        spares = sorted(path.name for path in tmp_path.glob(".gate.json.spare-*"))
        wait_until(lambda: all((tmp_path / one).stat().st_size == 16_384 for one in spares))
        assert len(spares) == len(KillMode), "each has its space again"


def test_what_the_disk_does_not_keep_is_tried_again_and_no_lease_is_granted_on_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with publisher(tmp_path, renew_seconds=0.02) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        with slow_disk(monkeypatch, failing=True) as goes_on:
            goes_on.set()
            gate.apply(tripped(BTC))
            wait_until(lambda: caplog.text.count("on no disk yet") > 3)
            assert runtime.directive(BUY_BTC) is not None
            assert not runtime.check(BUY_ETH).allowed
        wait_until(lambda: runtime.check(BUY_ETH).allowed)


def test_the_wider_one_is_cleared_and_the_narrower_stays_and_the_other_way_round(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    both = tripped(EVERYTHING, tripped(BTC))
    with publisher(tmp_path, both) as gate:
        runtime = TradeGate(tmp_path)
        assert lease(tmp_path) == contract.HALT
        assert runtime.read().state is GateState.HALTED

        gate.apply(tripped(BTC))
        assert lease(tmp_path) == contract.HALT, "late news of less"
        gate.release(cleared(both, EVERYTHING))
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        refused = runtime.check(BUY_BTC)
        assert refused.restriction is not None
        assert refused.restriction.scope == BTC

        gate.release(cleared(cleared(both, EVERYTHING), BTC))
        wait_until(lambda: runtime.check(BUY_BTC).allowed)
        gate.apply(both)
        assert runtime.check(BUY_BTC).allowed, "late news of what was cleared"


def test_a_tighter_mode_of_what_is_shut_already_refuses_nobody_else(
    tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    paused = tripped(BTC, mode=KillMode.PAUSE)
    with publisher(tmp_path, paused) as gate:
        runtime = TradeGate(tmp_path)
        wait_until(lambda: runtime.check(BUY_ETH).allowed)
        gate.apply(tripped(BTC, paused))
        assert runtime.check(BUY_ETH).allowed
        kills = runtime.read().kills
        assert [(kill.mode, kill.id) for kill in kills] == [(KillMode.IMMEDIATE, f"kill {BTC}")]
