"""Threads that share a gate: wherever one of them is held up, none goes on with old reasons."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_runtime import Order, Side, TradeGate

BUY = Order("BTC-EUR", Side.BUY, 1.0, 100.0)
HELD = Restriction(
    kind=RestrictionKind.HALT_NEW_TRADES, id="r1", cause="desk", level="critical", since=utc_now()
)
#: More lines than a reading has.
LINES = 24


class HeldUp:
    """A thread that asks once, and is held up before a line of the reading until it may go on."""

    def __init__(self, gate: TradeGate, line: int) -> None:
        self._left = line
        self._arrived, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(gate,), daemon=True)
        self._thread.start()
        assert self._arrived.wait(10)

    def finish(self) -> None:
        self._go.set()
        self._thread.join(10)

    def _run(self, gate: TradeGate) -> None:
        sys.settrace(self._called)
        gate.check(BUY)
        sys.settrace(None)
        self._arrived.set()

    def _called(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        del event, arg
        return self._line if frame.f_code is TradeGate.read.__code__ else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        del frame, arg
        if event == "line":
            self._left -= 1
            if self._left == 0:
                self._arrived.set()
                assert self._go.wait(10)
        return self._line


@pytest.mark.parametrize("first_line", range(1, LINES))
def test_a_restriction_is_kept_whatever_two_threads_were_about_to_do(
    writer: Any, gate_dir: Path, first_line: int
) -> None:
    for second_line in range(1, LINES):
        writer.open()
        gate = TradeGate(gate_dir)
        writer.open()
        first = HeldUp(gate, first_line)
        writer.open(50.0, HELD)
        second = HeldUp(gate, second_line)
        first.finish()
        second.finish()
        assert not gate.check(BUY).allowed, f"second held up before line {second_line}"
