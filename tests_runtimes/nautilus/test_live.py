"""A real TradingNode on its real event loop, at nautilus's own sandbox venue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nautilus_rig import BUY, VENUE, GateWriter, Script, equity, instrument_id, reports_in
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.config import LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.objects import Price, Quantity

from risk_runtime.adapters.nautilus import RiskGuard, RiskGuardConfig, RiskLayer


async def comes_true(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.005)


def a_node() -> TradingNode:
    asyncio.set_event_loop(asyncio.new_event_loop())  # a node closes its own at the end
    sandbox = SandboxExecutionClientConfig(
        venue=str(VENUE),
        starting_balances=["1_000_000 USD"],
        base_currency="USD",
        account_type="MARGIN",
        oms_type="NETTING",
    )
    node = TradingNode(
        TradingNodeConfig(
            logging=LoggingConfig(log_level="ERROR"),
            exec_clients={str(VENUE): sandbox},
            timeout_post_stop=0.1,
        )
    )
    node.add_exec_client_factory(str(VENUE), SandboxLiveExecClientFactory)
    for symbol in ("AAPL", "IBM"):
        node.kernel.cache.add_instrument(equity(symbol))
    node.build()
    return node


def quote(node: TradingNode, symbol: str) -> None:
    """A price arrives, as a data client would bring it."""
    now = node.kernel.clock.timestamp_ns()
    size = Quantity.from_int(1000)
    tick = QuoteTick(instrument_id(symbol), Price(100, 4), Price(100.01, 4), size, size, now, now)
    node.kernel.cache.add_quote_tick(tick)
    node.kernel.msgbus.publish(f"data.quotes.{VENUE}.{symbol}", tick)


class Venue:
    """An exchange that cancels everything unless it is told again."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def refresh(self, seconds: float) -> None:
        self.asked.append(seconds)

    def disarm(self) -> None:
        raise AssertionError("nobody takes over by hand")


def test_the_venues_countdown_is_refreshed_until_the_risk_layer_gives_no_sign_of_life(
    layer: RiskLayer, writer: GateWriter, caplog: pytest.LogCaptureFixture
) -> None:
    node, venue = a_node(), Venue()
    dead_man = layer.policy.alerting.dead_man.model_copy(update={"cancel_all_after_seconds": 0.3})
    alerting = layer.policy.alerting.model_copy(update={"dead_man": dead_man})
    quick = replace(layer, policy=layer.policy.model_copy(update={"alerting": alerting}))
    RiskGuard(quick, RiskGuardConfig(max_exposure_ratio=0.85), countdown=venue).attach(node)

    async def story() -> None:
        running = asyncio.ensure_future(node.run_async())
        await comes_true(lambda: len(venue.asked) > 3, "it is refreshed")
        writer.kill()
        told = len(venue.asked)
        await comes_true(lambda: len(venue.asked) > told + 2, "a halted gate is a fresh one")
        writer.expire()
        await comes_true(lambda: "no longer refreshed" in caplog.text, "nobody is alive")
        told = len(venue.asked)
        quote(node, "AAPL")
        await comes_true(lambda: node.kernel.cache.quote_tick(instrument_id("AAPL")), "it goes on")
        await node.stop_async()
        await running
        assert len(venue.asked) == told

    loop = node.get_event_loop()
    assert loop is not None
    try:
        loop.run_until_complete(story())
    finally:
        node.dispose()
    assert set(venue.asked) == {0.3}


def test_a_node_is_closed_and_halted_when_the_switch_trips_and_trades_on_once_it_is_cleared(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    node, script = a_node(), Script()
    node.trader.add_strategy(script)
    RiskGuard(layer, RiskGuardConfig(max_exposure_ratio=0.85)).attach(node)
    node_cache: Any = node.kernel.cache

    def state() -> int:
        return int(node.kernel.risk_engine.trading_state)

    async def story() -> None:
        running = asyncio.ensure_future(node.run_async())
        await comes_true(lambda: node.trader.is_running, "the node runs")
        quote(node, "AAPL")
        quote(node, "IBM")
        script.market("AAPL", BUY, 100)
        await comes_true(node_cache.positions_open, "it holds something")
        order = script.order_factory.limit(
            instrument_id("IBM"), BUY, Quantity.from_int(5), Price(90, 4)
        )
        script.submit_order(order)
        await comes_true(node_cache.orders_open, "an order rests")
        writer.kill()
        await comes_true(lambda: state() == 2, "halted")
        assert not node_cache.positions_open()
        assert not node_cache.orders_open()
        script.market("AAPL", BUY, 1)
        await comes_true(script.reasons, "an entry is refused")
        writer.open()
        await comes_true(lambda: state() == 1, "active again")
        quote(node, "AAPL")
        script.market("AAPL", BUY, 2)
        await comes_true(node_cache.positions_open, "it trades again")
        # Both are on their way before the node has taken either in.
        quote(node, "IBM")
        script.market("IBM", BUY, 1200)
        script.market("IBM", BUY, 1201)
        await comes_true(lambda: len(script.reasons()) == 2, "the second one is refused")
        assert "position IBM.SIM would come to" in script.reasons()[1]
        await node.stop_async()
        await running

    loop = node.get_event_loop()
    assert loop is not None
    try:
        loop.run_until_complete(story())
    finally:
        node.dispose()
    told = [one["kind"] for one in reports_in(tmp_path)]
    assert told == [
        "orders_cancelled",
        "position_closed",
        "flat_confirmed",
        "orders_cancelled",
        *["trade_blocked"] * 2,
    ]
