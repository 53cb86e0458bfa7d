"""A risk layer that cannot see refuses new risk, and recovers by itself once it sees again."""

from __future__ import annotations

import time

import pytest
from stack_under_test import Running, eventually

from risk_runtime import GateState, Order, Side, TradeGate
from riskwarden.stack.stack import Replay, find_binaries

pytestmark = pytest.mark.stack
BUY = Order("AAPL", Side.BUY, 1, 100.0)
REDUCE = Order("AAPL", Side.SELL, 1, 100.0, position_quantity=5)
CALM = Replay(start="2007-01-03", end="2007-01-31", days_per_second=1.0)


@pytest.fixture
def seeing(running: Running) -> tuple[Running, TradeGate]:
    """A stack whose gate has opened, on calm days."""
    running.stack.start(find_binaries(), CALM, lambda _: None)
    gate = TradeGate(running.layout.gate)
    assert not gate.check(BUY).allowed, "no Prometheus has sent its Watchdog yet"
    eventually(
        lambda: gate.check(BUY).allowed, 30, lambda: f"the gate opens; {running.readiness()}"
    )
    return running, gate


@pytest.mark.long
def test_a_dead_prometheus_closes_the_gate_until_it_is_started_again(
    seeing: tuple[Running, TradeGate],
) -> None:
    running, gate = seeing
    terms, silence = running.policy.alerting.gate, running.policy.alerting.dead_man
    prometheus = running.processes.child("prometheus").process
    prometheus.kill()
    prometheus.wait()
    began = time.monotonic()
    longest = silence.prometheus_seconds + terms.lease_seconds + terms.renew_seconds
    eventually(lambda: not gate.check(BUY).allowed, longest + 5, "it refuses new risk")
    assert time.monotonic() - began <= longest + 1
    assert gate.read().state is GateState.STALE
    assert gate.check(REDUCE).allowed
    running.stack.start_prometheus(find_binaries())
    eventually(
        lambda: gate.check(BUY).allowed,
        30,
        lambda: f"the gate opens by itself; {gate.read()}; {running.readiness()}",
    )
