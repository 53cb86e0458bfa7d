"""When a gate closes, as a runtime in another process sees it."""

from __future__ import annotations

import multiprocessing
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from measure import PATIENCE_SECONDS

from risk_runtime import Order, Side, TradeGate

#: The gate is memory that another process writes, and tells nobody; an order looks at it when it
#: comes. So it is looked at again and again, often enough to be right to a part of a millisecond.
_POLL_SECONDS: Final = 0.0002


def watch_gate(folder: Path, asked: Connection) -> None:
    """In a process of its own: say when an account may trade, and when it no longer may.

    What other alerts of the same breach hold back, and they do, is not what is waited for.
    """
    gate = TradeGate(folder)
    while account := asked.recv():
        order = Order("AAPL", Side.BUY, 1, 100.0, account=account)
        for said in (partial(_is_open, gate, order), partial(_is_killed, gate, order)):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not said() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)  # why: see there
            asked.send((time.time() if said() else 0.0, _what_it_says(gate, order)))


def _what_it_says(gate: TradeGate, order: Order) -> str:
    decision = gate.check(order)
    return "lets orders pass" if decision.allowed else f"refuses orders: {decision.reason}"


def _is_open(gate: TradeGate, order: Order) -> bool:
    return gate.check(order).allowed


def _is_killed(gate: TradeGate, order: Order) -> bool:
    return gate.directive(order) is not None


class NotClosedError(Exception):
    """No kill within a minute."""


class Gate:
    """The other process."""

    def __init__(self, folder: Path) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=watch_gate, args=(folder, theirs), daemon=True).start()

    def open_for(self, account: str) -> None:
        """Wait until it may trade."""
        self._pipe.send(account)
        opened, says = self._pipe.recv()
        if not opened:
            raise SystemExit(f"the gate does not open for {account}: it {says}")

    def closed_at(self) -> float:
        """Wait until that account may not. Raises NotClosedError."""
        closed: tuple[float, str] = self._pipe.recv()
        if not closed[0]:
            raise NotClosedError(f"no kill within {PATIENCE_SECONDS:g} s; the gate {closed[1]}")
        return closed[0]
