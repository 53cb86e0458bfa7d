"""What the exporter is shown is what nautilus itself reckons."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from nautilus_rig import BUY, CASH, SELL, VENUE, Backtest, Script, instrument_id
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common import Environment
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from risk_policy.contracts.gating import LiveOrders
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.adapters.nautilus import RiskGuard, RiskGuardConfig, RiskLayer
from risk_runtime.adapters.nautilus.snapshots import gating_of

DAY = 86_400 * 10**9


@pytest.fixture
def seen(layer: RiskLayer, monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """Every snapshot that the real exporter took."""
    taken: list[Snapshot] = []
    observe = layer.exporter.observe

    def note(snapshot: Snapshot) -> Any:
        measures = observe(snapshot)
        taken.append(snapshot)
        return measures

    monkeypatch.setattr(layer.exporter, "observe", note)
    return taken


@pytest.mark.parametrize("kind", [AccountType.CASH, AccountType.MARGIN])
def test_equity_is_the_balance_with_everything_at_its_price(
    tmp_path: Path, layer: RiskLayer, seen: list[Snapshot], kind: AccountType
) -> None:
    reckoned: list[float] = []

    def reckon(one: Script) -> None:
        profit = sum(
            float(one.portfolio.unrealized_pnl(position.instrument_id))
            for position in one.cache.positions_open()
        )
        balance = float(one.portfolio.account(VENUE).balance_total())
        invested = sum(
            float(position.signed_qty) * float(position.avg_px_open)
            for position in one.cache.positions_open()
        )
        margin = kind == AccountType.MARGIN
        reckoned.append(balance + profit + (0.0 if margin else invested))

    def trade(one: Script) -> None:
        one.market("AAPL", BUY, 1000)
        if kind == AccountType.MARGIN:
            one.market("IBM", SELL, 200)

    script = Script(trade)
    script.every_day = reckon
    run = Backtest(tmp_path, (script,), account=kind).run(layer)
    # Orders of the first day are filled after the strategy has reckoned, and before the snapshot.
    shown = [one.equity for one in seen][-len(reckoned) + 1 :]
    assert shown == pytest.approx(reckoned[1:], abs=0.01)
    assert seen[-1].equity != CASH
    last = {one.symbol: one for one in seen[-1].positions}
    assert last["AAPL.SIM"].quantity == 1000
    assert last["AAPL.SIM"].sector == "technology"
    assert last["AAPL.SIM"].mark == script.price("AAPL")
    assert (seen[-1].margin_used is None) == (kind == AccountType.CASH)
    assert len({one.trading_day for one in seen}) >= 19
    assert run.state == "ACTIVE"


def test_stops_losses_in_a_row_and_stops_that_were_hit_are_told(
    tmp_path: Path, layer: RiskLayer, seen: list[Snapshot]
) -> None:
    def protected(one: Script) -> None:
        one.market("AAPL", BUY, 100)
        stop = one.order_factory.stop_market(
            instrument_id("AAPL"),
            SELL,
            Quantity.from_int(100),
            trigger_price=Price(one.price("AAPL") * 0.999, 4),
            reduce_only=True,
        )
        one.submit_order(stop)

    script = Script(*[lambda one: None] * 6, protected)  # the next day closes lower
    Backtest(tmp_path, (script,), config={"reports_stops": True}).run(layer)
    held = [one for one in seen if one.positions]
    assert all(one.reports_stops for one in seen)
    assert held
    stop = held[0].positions[0].stop
    assert stop is not None
    assert math.isclose(stop, held[0].positions[0].mark * 0.999, rel_tol=0.01)
    (event,) = seen[-1].events
    assert (event.kind, event.symbol) == ("stop_loss", "AAPL.SIM")
    assert seen[-1].consecutive_losses == 1


def test_coins_in_a_cash_account_are_worth_their_price_and_counted_once(
    layer: RiskLayer, seen: list[Snapshot]
) -> None:
    coin = TestInstrumentProvider.btcusdt_binance()
    bars = BarType.from_str(f"{coin.id}-1-DAY-LAST-EXTERNAL")
    prices = (40_000, 40_000, 50_000, 60_000, 60_000)

    class Buyer(Strategy):  # type: ignore[misc,unused-ignore]
        def on_start(self) -> None:
            self.subscribe_bars(bars)

        def on_bar(self, _: Bar) -> None:
            if self.portfolio.is_flat(coin.id):
                order = self.order_factory.market(coin.id, BUY, coin.make_qty(0.1))
                self.submit_order(order)

    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    balance = Money(100_000, USDT)
    engine.add_venue(coin.id.venue, OmsType.NETTING, AccountType.CASH, [balance])
    engine.add_instrument(coin)
    engine.add_data(
        [
            Bar(bars, *[coin.make_price(price)] * 4, coin.make_qty(100), day * DAY, day * DAY)
            for day, price in enumerate(prices, start=1)
        ]
    )
    engine.add_strategy(Buyer())
    config = RiskGuardConfig(currency="USDT", sectors={"BTCUSDT": "coins"})
    RiskGuard(layer, config).attach(engine)
    engine.run()
    last = seen[-1]
    (position,) = last.positions
    assert (position.symbol, position.sector, position.mark) == ("BTCUSDT.BINANCE", "coins", 60_000)
    # The fee of the purchase aside, a tenth of a coin has gained a tenth of 20,000.
    assert last.equity == pytest.approx(100_000 + 2_000, abs=20)
    assert last.cash == pytest.approx(last.equity - 6_000)
    assert last.gating is not None
    assert last.gating.effective_mode == "paper", "a backtest has no venue"


def test_a_node_tells_what_it_was_configured_for() -> None:
    told = {one: gating_of(one) for one in Environment}
    assert {one: told[one].live_orders for one in Environment} == {
        Environment.BACKTEST: LiveOrders.IMPOSSIBLE,
        Environment.SANDBOX: LiveOrders.IMPOSSIBLE,
        Environment.LIVE: LiveOrders.POSSIBLE,
    }
    assert told[Environment.LIVE].effective_mode == "live"


def test_a_stop_that_covers_only_a_part_is_none(
    tmp_path: Path, layer: RiskLayer, seen: list[Snapshot]
) -> None:
    def half_protected(one: Script) -> None:
        one.market("AAPL", BUY, 100)
        stop = one.order_factory.stop_market(
            instrument_id("AAPL"),
            SELL,
            Quantity.from_int(50),
            trigger_price=Price(one.price("AAPL") * 0.5, 4),
            reduce_only=True,
        )
        one.submit_order(stop)

    run = Backtest(tmp_path, (Script(half_protected),), config={"reports_stops": True}).run(layer)
    assert len(run.working) == 1
    held = [one.positions[0].stop for one in seen if one.positions]
    assert len(held) > 10
    assert set(held) == {None}
