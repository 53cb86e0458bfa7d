"""A loop that stands still can hear of nothing: the gate must not stay open."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.gate.heartbeat import Heartbeat

SECOND = 1_000_000_000
#: The real service; a signal makes its event loop stand still until a file is gone.
STALLS = """
import os, signal, sys, time
from risk_receivers.__main__ import main

def stall(number, frame):
    open(sys.argv[1], "x").close()
    while os.path.exists(sys.argv[1]):
        time.sleep(0.01)

signal.signal(signal.SIGUSR1, stall)
sys.exit(main(sys.argv[2:]))
"""


@given(st.lists(st.one_of(st.just("beat"), st.integers(0, 30))), st.integers(1, 10))
def test_the_loop_counts_as_alive_if_and_only_if_it_beat_lately(
    events: list[str | int], interval: int
) -> None:
    now = 0
    last: int | None = None
    heartbeat = Heartbeat(interval, clock=lambda: now)
    for event in events:
        if isinstance(event, int):
            now += event * SECOND
        else:
            heartbeat.beat()
            last = now
        alive = last is not None and now - last <= 2 * interval * SECOND
        assert alive == (heartbeat.complaint == "")


def test_a_loop_that_stands_still_lets_the_lease_run_out_until_it_moves_again(
    stopped: Any, wait_until: Callable[..., Any]
) -> None:
    stalled = stopped.data.parent / "stalled"
    receivers = stopped.start(("-c", STALLS, str(stalled)))
    wait_until(receivers.gate_is_open)
    began = time.monotonic()
    os.kill(receivers.process.pid, signal.SIGUSR1)
    wait_until(stalled.exists)
    wait_until(lambda: not receivers.gate_is_open(), 5, "a stalled loop ends the lease")
    assert time.monotonic() - began > 1, "it ran out, nobody closed it"
    assert not receivers.gate_says_halt()
    stalled.unlink()
    wait_until(receivers.gate_is_open)
    assert receivers.call("GET", "/api/v1/gate").json()["lease_withheld"] == []
