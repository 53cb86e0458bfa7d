"""A real BacktestEngine over the book of 2006-2009, strategies that obey, and a gate."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import (
    Bar,
    BarType,
    BookOrder,
    OrderBookDelta,
    OrderBookDeltas,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    TradingState,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.restriction import Kill, Restriction
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.nautilus import RiskGuard, RiskGuardConfig, RiskLayer, risk_layer
from risk_runtime.paper.replay import market_close
from risk_runtime.paper.strategy import SECTORS
from risk_runtime.pretrade.checks import boottime
from risk_runtime.prices import TradingDay, load_prices

VENUE: Final = Venue("SIM")
PRICES: Final = load_prices()
CASH: Final = 1_000_000
#: The first day of most tests: a calm one.
CALM: Final = date(2007, 1, 3)
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class GateWriter:
    """Publishes a gate as the receivers do: one mapping, reasons beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.version = 0
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / contract.LEASE_FILE
        path.write_bytes(
            contract.encode(lease_ns=0, version=0, longest_ns=60 * 10**9, boot=contract.boot_id())
        )
        with path.open("r+b") as stream:
            self._words = memoryview(mmap.mmap(stream.fileno(), contract.SIZE)).cast("Q")

    def open(self, *restrictions: Restriction) -> None:
        """Open the gate, perhaps with restrictions."""
        self.version += 1
        self._write_detail(restrictions, halted=False)
        self._words[1] = self.version
        self._words[0] = contract.now_ns() + 50 * 10**9

    def expire(self) -> None:
        """The lease runs out, and nobody renews it."""
        self._words[0] = contract.now_ns() - 1

    def kill(self, mode: KillMode = KillMode.IMMEDIATE, kill_id: str = "kill-0001") -> None:
        """Trip the switch for everything."""
        self._words[0] = contract.HALT
        self.version += 1
        self._words[1] = self.version
        self._write_detail((kill_of(mode, kill_id),), halted=True)

    def _write_detail(self, restrictions: tuple[Restriction, ...], *, halted: bool) -> None:
        contract.write_detail(
            self.directory,
            GateDetail(
                version=self.version,
                halted=halted,
                restrictions=restrictions,
                policy_digest="0" * 64,
                written_at=utc_now(),
            ),
        )


def kill_of(
    mode: KillMode = KillMode.IMMEDIATE, kill_id: str = "kill-0001", scope: str = "*", **more: Any
) -> Kill:
    """A tripped kill switch."""
    return Kill.model_validate(
        {
            "mode": mode,
            "id": kill_id,
            "scope": Scope.parse(scope),
            "cause": "DRAWDOWN_EMERGENCY",
            "level": "emergency",
            "since": utc_now(),
            **more,
        }
    )


def instrument_id(symbol: str) -> InstrumentId:
    return InstrumentId(Symbol(symbol), VENUE)


def bar_type(symbol: str) -> BarType:
    return BarType.from_str(f"{symbol}.{VENUE}-1-DAY-LAST-EXTERNAL")


def equity(symbol: str) -> Equity:
    return Equity(
        instrument_id=instrument_id(symbol),
        raw_symbol=Symbol(symbol),
        currency=USD,
        price_precision=4,
        price_increment=Price.from_str("0.0001"),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def bars_of(days: tuple[TradingDay, ...]) -> Iterator[Bar]:
    for day in days:
        at = int(market_close(day.date).timestamp() * 1e9)
        for symbol, bar in sorted(day.bars.items()):
            prices = (Price(float(one), 4) for one in (bar.open, bar.high, bar.low, bar.close))
            yield Bar(bar_type(symbol), *prices, Quantity.from_int(bar.volume), at, at)


def trade_at(symbol: str, day: date, price: float) -> TradeTick:
    """A trade an hour after the close, which moves the order emulator."""
    at = int(market_close(day).timestamp() * 1e9) + 3600 * 10**9
    size, trade_id = Quantity.from_int(1), TradeId(f"{day}")
    return TradeTick(
        instrument_id(symbol), Price(price, 4), size, AggressorSide.BUYER, trade_id, at, at
    )


def book_of(symbol: str, day: date, price: Decimal, units: int) -> OrderBookDeltas:
    """An order book with so much on either side of a price; empty for nothing."""
    at = int(market_close(day).timestamp() * 1e9) - 1
    name = instrument_id(symbol)
    deltas = [OrderBookDelta.clear(name, 0, at, at)]
    for side, step in ((BUY, -0.01), (SELL, 0.01)):
        if units:
            level = BookOrder(side, Price(float(price) + step, 4), Quantity.from_int(units), 0)
            deltas.append(OrderBookDelta(name, BookAction.ADD, level, 0, 0, at, at))
    return OrderBookDeltas(name, deltas)


class Script(Strategy):
    """Does something once every price of a day is in, and notes what it is told."""

    def __init__(self, *steps: Callable[[Script], object], tag: str = "000") -> None:
        super().__init__(StrategyConfig(order_id_tag=tag))
        self._steps = dict(enumerate(steps))
        self._last = max(PRICES.symbols)
        self.every_day: Callable[[Script], object] = lambda _: None
        self.day = -1
        self.told: list[Any] = []

    def on_start(self) -> None:
        for symbol in PRICES.symbols:
            self.subscribe_bars(bar_type(symbol))

    def on_bar(self, bar: Bar) -> None:
        if bar.bar_type != bar_type(self._last):
            return
        self.day += 1
        if step := self._steps.get(self.day):
            step(self)
        self.every_day(self)

    def on_order_event(self, event: Any) -> None:
        self.told.append(event)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.told]

    def reasons(self, kind: str = "OrderDenied") -> list[str]:
        return [event.reason for event in self.told if type(event).__name__ == kind]

    # -- orders --------------------------------------------------------------------------------

    def price(self, symbol: str) -> float:
        return float(self.cache.bar(bar_type(symbol)).close)

    def market(self, symbol: str, side: OrderSide, units: int, **params: Any) -> Any:
        order = self.order_factory.market(instrument_id(symbol), side, Quantity.from_int(units))
        self.submit_order(order, params=params or None)
        return order

    def limit(self, symbol: str, side: OrderSide, units: int, ratio: float, **more: Any) -> Any:
        """A limit order at a share of the current price."""
        order = self.order_factory.limit(
            instrument_id(symbol),
            side,
            Quantity.from_int(units),
            Price(self.price(symbol) * ratio, 4),
            **more,
        )
        self.submit_order(order)
        return order

    def units(self, symbol: str) -> float:
        return float(self.portfolio.net_position(instrument_id(symbol)))


@dataclass
class Backtest:
    """An engine over some days, guarded; ``run`` it once."""

    folder: Path
    strategies: tuple[Strategy, ...]
    first: date = CALM
    last: date = date(2007, 1, 31)
    account: AccountType = AccountType.CASH
    oms: OmsType = OmsType.NETTING
    book: BookType = BookType.L1_MBP
    config: dict[str, Any] = field(default_factory=dict)
    uptime: Callable[[], float] = boottime
    engine: BacktestEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = BacktestEngine(
            BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True))
        )
        self.engine.add_venue(
            VENUE,
            self.oms,
            self.account,
            [Money(CASH, USD)],
            base_currency=USD,
            book_type=self.book,
        )
        for symbol in PRICES.symbols:
            self.engine.add_instrument(equity(symbol))
        self.engine.add_data(list(bars_of(PRICES.between(self.first, self.last))))
        for strategy in self.strategies:
            self.engine.add_strategy(strategy)

    def run(self, layer: RiskLayer) -> Backtest:
        config = {"sectors": dict(SECTORS), "max_exposure_ratio": 0.85, **self.config}
        self.guard = RiskGuard(layer, RiskGuardConfig(**config), uptime=self.uptime).attach(
            self.engine
        )
        self.engine.run()
        return self

    @property
    def state(self) -> str:
        return str(TradingState(self.engine.kernel.risk_engine.trading_state).name)

    @property
    def positions(self) -> dict[str, float]:
        return {
            str(one.instrument_id.symbol): float(one.signed_qty)
            for one in self.engine.cache.positions_open()
        }

    @property
    def working(self) -> list[Any]:
        cache = self.engine.cache
        return [*cache.orders_open(), *cache.orders_inflight(), *cache.orders_emulated()]

    @property
    def is_flat(self) -> bool:
        return not self.positions and not self.working


@contextmanager
def layer_without_receivers(folder: Path, gate: Path) -> Iterator[RiskLayer]:
    """The risk layer with nobody at the other end; reports stay in the spool."""
    policy = load_policy(default_policy_path())
    nobody = "http://127.0.0.1:1"
    with risk_layer(
        policy, data=folder / "risk", gate=gate, receivers=nobody, serve=False, drain_seconds=0
    ) as layer:
        yield layer


def reports_in(folder: Path) -> list[dict[str, Any]]:
    """What waits to be sent."""
    return [json.loads(line) for line in (folder / "risk/reports.jsonl").read_text().splitlines()]
