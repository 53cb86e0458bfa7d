"""The book of 2008 through a real BacktestEngine, with real receivers and the real fast lane."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nautilus_rig import BUY, PRICES, VENUE, Backtest, Script
from receivers_process import ReceiversProcess, eventually

from risk_exporter import Measures
from risk_policy import load_policy
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.adapters.nautilus import RiskLayer, risk_layer
from risk_runtime.gate_reading import GateState


def hold_everything(strategy: Script) -> None:
    """A sixth of the money in each symbol, and a small order resting below the market."""
    for symbol in PRICES.symbols:
        if not strategy.units(symbol):
            strategy.market(symbol, BUY, int(150_000 / strategy.price(symbol)))
            strategy.limit(symbol, BUY, 10, 0.8)


def noted(layer: RiskLayer) -> list[Measures]:
    """What the exporter measures from now on."""
    found: list[Measures] = []
    observe = layer.exporter.observe

    def note(snapshot: Snapshot) -> Measures:
        found.append(measures := observe(snapshot))
        return measures

    layer.exporter.observe = note  # type: ignore[method-assign]
    return found


def test_a_drawdown_beyond_twenty_percent_ends_flat_confirmed_blocked_and_on_record(
    tmp_path: Path, receivers: ReceiversProcess
) -> None:
    policy = load_policy(receivers.policy)
    greedy = Script()
    greedy.every_day = hold_everything
    crash = Backtest(tmp_path, (greedy,), first=date(2008, 6, 2), last=date(2008, 10, 31))
    with risk_layer(
        policy, data=tmp_path / "risk", gate=receivers.gate, receivers=receivers.url, serve=False
    ) as layer:
        eventually(lambda: layer.gate.read().state is GateState.OPEN, "the gate opens")
        shown = noted(layer)
        crash.run(layer)
        assert layer.reporter.wait_until_sent(20)
    # The day after the breach is one without positions: simulated time waited for the receivers.
    breach = next(number for number, one in enumerate(shown) if one.drawdown_ratio > 0.2)
    assert not any(one.positions_open for one in shown[breach + 1 :])
    assert shown[breach].positions_open == len(PRICES.symbols)
    # Flat, halted, and everything that was wanted since was refused.
    assert crash.is_flat
    assert crash.state == "HALTED"
    assert set(greedy.reasons()) == {"TradingState.HALTED"}
    lost = 1 - float(crash.engine.portfolio.account(VENUE).balance_total()) / 1_000_000
    assert 0.0 < lost < 0.25
    # Confirmed, and on record in the order in which it happened.
    switch = receivers.switch()
    assert (switch["state"], switch["cause"]) == ("FLAT_CONFIRMED", "DRAWDOWN_EMERGENCY")
    kinds = [one["header"]["event_type"] for one in receivers.recorded()]
    told = [kind for kind in dict.fromkeys(kinds) if kind.startswith(("KILL", "POS", "TRADE"))]
    assert told == [
        "KILL_SWITCH_ACTIVATED",
        "POSITION_FORCE_CLOSED",
        "KILL_SWITCH_FLAT_CONFIRMED",
        "TRADE_BLOCKED",
    ]
    assert kinds.count("POSITION_FORCE_CLOSED") == len(PRICES.symbols)
    assert kinds.count("KILL_SWITCH_FLAT_CONFIRMED") == 1
    final = [i for i, kind in enumerate(kinds) if kind == "ORDERS_CANCELLED"]
    assert kinds.index("KILL_SWITCH_ACTIVATED") < final[0] < kinds.index("POSITION_FORCE_CLOSED")
    assert final[-1] > kinds.index("KILL_SWITCH_FLAT_CONFIRMED"), "cancelled again at the end"


def test_reports_reach_receivers_that_died_while_the_account_was_closed(
    tmp_path: Path, receivers: ReceiversProcess
) -> None:
    policy = load_policy(receivers.policy)

    def trip_and_die(one: Script) -> None:
        order = {"mode": "immediate", "reason": "a test", "actor": "tester"}
        assert receivers.call("POST", "/api/v1/kill", content=order)
        receivers.kill()

    script = Script(lambda one: one.market("AAPL", BUY, 100), trip_and_die)
    script.every_day = lambda one: one.market("IBM", BUY, one.day + 1) if one.day > 2 else None
    run = Backtest(tmp_path, (script,))
    with risk_layer(
        policy, data=tmp_path / "risk", gate=receivers.gate, receivers=receivers.url, serve=False
    ) as layer:
        eventually(lambda: layer.gate.read().state is GateState.OPEN, "the gate opens")
        run.run(layer)
        assert run.is_flat
        assert run.state == "HALTED"
        receivers.start()
        assert layer.reporter.wait_until_sent(30)
    assert receivers.switch()["state"] == "FLAT_CONFIRMED"
    kinds = [one["header"]["event_type"] for one in receivers.recorded()]
    assert kinds.count("POSITION_FORCE_CLOSED") == 1
    assert kinds.count("TRADE_BLOCKED") == len(script.reasons()) > 0
