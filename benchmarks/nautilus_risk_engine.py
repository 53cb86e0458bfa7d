"""What an order costs before it leaves, beside nautilus_trader's own RiskEngine in the same run.

In a real BacktestEngine that holds five positions: the gate and the checks alone, all that the
guard does (reading nautilus's cache included), nautilus's RiskEngine up to its hand-over to the
execution engine, and a call that reads one attribute. Each order is a new one and passes. All are
timed in turns by the thread's own processor time; medians are printed.
Takes about five seconds, in an environment that has the runtime (``./dev test-runtimes`` makes it):
``.venv-nautilus/bin/python benchmarks/nautilus_risk_engine.py [seconds]``.
"""

from __future__ import annotations

import importlib.util
import mmap
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_runtime import Order, PreTradeChecks, PreTradeLimits, Side, TradeGate

#: As many as the default policy lets pass within its window: a new book asks after them.
_BATCH: Final = 50
_SYMBOLS: Final = ("AAPL", "GOOG", "IBM", "MSFT", "ORCL")


class _Bare:
    """The baseline: what asking could never be cheaper than."""

    allowed = True


def open_gate(folder: Path) -> TradeGate:
    """A gate that is open for the time of the measurement."""
    longest = contract.LONGEST_SECONDS * 10**9
    path = folder / contract.LEASE_FILE
    path.write_bytes(
        contract.encode(lease_ns=0, version=1, longest_ns=longest, boot=contract.boot_id())
    )
    contract.write_detail(
        folder,
        contract.GateDetail(version=1, halted=False, policy_digest="0" * 64, written_at=utc_now()),
    )
    with path.open("r+b") as stream:
        words = memoryview(mmap.mmap(stream.fileno(), contract.SIZE)).cast("Q")
    words[0] = contract.now_ns() + longest - 10**9
    return TradeGate(folder)


def nanoseconds(ask: Callable[[Any], object], orders: list[Any]) -> float:
    """Processor time of one call, less that of the loop."""
    began = time.thread_time_ns()
    for order in orders:
        ask(order)
    took = time.thread_time_ns() - began
    began = time.thread_time_ns()
    for _ in orders:
        pass
    return (took - (time.thread_time_ns() - began)) / len(orders)


def measure(strategy: Any, kernel: Any, gate: TradeGate, seconds: float) -> dict[str, list[float]]:
    """Every subject in turns, on orders of a strategy that runs."""
    from nautilus_trader.core.uuid import UUID4
    from nautilus_trader.execution.messages import SubmitOrder
    from nautilus_trader.model.enums import OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Currency, Price, Quantity

    from risk_runtime.adapters.nautilus.account import NautilusAccount
    from risk_runtime.adapters.nautilus.judge import Judge

    beyond = kernel.exec_engine.execute
    kernel.msgbus.deregister("ExecEngine.execute", beyond)
    reached: list[Any] = []
    kernel.msgbus.register("ExecEngine.execute", reached.append)
    limits = replace(
        PreTradeLimits.of(load_policy(default_policy_path(), {})),
        orders_max=10 * _BATCH,
        duplicate_seconds=0.0,
        exposure_max_ratio=10.0,
    )
    aapl = InstrumentId.from_str("AAPL.SIM")
    account = NautilusAccount(kernel.cache, Currency.from_str("USD"))
    bare = _Bare()
    found: dict[str, list[float]] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        orders = [
            strategy.order_factory.limit(
                aapl, OrderSide.BUY, Quantity.from_int(1 + number), Price(99.0, 2)
            )
            for number in range(_BATCH)
        ]
        commands = [
            SubmitOrder(kernel.trader_id, strategy.id, order, UUID4(), kernel.clock.timestamp_ns())
            for order in orders
        ]
        checks = PreTradeChecks(limits, clock=strategy.clock.timestamp)
        judge = Judge(account, gate, checks, max_exposure_ratio=None, now=strategy.clock.timestamp)
        intents = [judge._intent(order, float(order.quantity)) for order in orders]  # noqa: SLF001
        plain = [judge._trade_order(intent) for intent in intents]  # noqa: SLF001
        book = judge._book(orders[0])  # noqa: SLF001
        asked = Order("AAPL.SIM", Side.BUY, 1.0, 99.0, account="main")
        passes: list[bool] = []

        def guarded(order: Any, judge: Judge = judge, passes: list[bool] = passes) -> None:
            passes.append(judge.submitted([order], {}) is None)
            account.passed.clear()  # as if the venue had it

        # A lambda whose defaults hold what is measured has no type that mypy could infer.
        subjects: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
            "call of a bare read": (lambda _: bare.allowed, orders),
            "TradeGate.check": (lambda _, asked=asked: gate.check(asked), orders),  # type: ignore[misc]
            "PreTradeChecks.check": (
                lambda order, checks=checks, book=book: checks.check(order, book),  # type: ignore[misc]
                plain,
            ),
            "the guard, all of it": (guarded, orders),
            "nautilus RiskEngine": (kernel.risk_engine.execute, commands),
        }
        before = len(reached)
        for name, (ask, of) in subjects.items():
            found.setdefault(name, []).append(nanoseconds(ask, of))
        if not all(passes) or len(reached) != before + _BATCH:
            raise SystemExit("an order did not pass, so there is nothing to compare")
    kernel.msgbus.deregister("ExecEngine.execute", reached.append)
    kernel.msgbus.register("ExecEngine.execute", beyond)
    return found


def main(seconds: float = 5.0) -> None:
    """Measure and print."""
    if importlib.util.find_spec("nautilus_trader") is None:
        print("nautilus_trader is not installed here: ./dev test-runtimes makes .venv-nautilus")
        return
    from nautilus_trader.backtest.engine import BacktestEngine
    from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, RiskEngineConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import QuoteTick
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(max_order_submit_rate="100000000/00:00:01"),
        )
    )
    engine.add_venue(
        Venue("SIM"), OmsType.NETTING, AccountType.MARGIN, [Money(10_000_000, USD)], USD
    )
    instruments = [TestInstrumentProvider.equity(symbol, "SIM") for symbol in _SYMBOLS]
    ticks = []
    for at in (10**9, 2 * 10**9):
        for instrument in instruments:
            engine.cache.instrument(instrument.id) or engine.add_instrument(instrument)
            size = Quantity.from_int(10_000)
            ticks.append(
                QuoteTick(instrument.id, Price(99.0, 2), Price(99.01, 2), size, size, at, at)
            )
    engine.add_data(ticks)
    found: dict[str, list[float]] = {}

    # Untyped where nautilus is not installed, as in the environment that types are checked in.
    class Measuring(Strategy):  # type: ignore[misc,unused-ignore]
        def on_start(self) -> None:
            for instrument in instruments:
                self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: Any) -> None:
            if tick.ts_event == 10**9:
                units = Quantity.from_int(1000)
                self.submit_order(
                    self.order_factory.market(tick.instrument_id, OrderSide.BUY, units)
                )
            elif tick.instrument_id == instruments[-1].id:
                found.update(measure(self, engine.kernel, gate, seconds))

    engine.add_strategy(Measuring())
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        gate = open_gate(Path(folder))
        engine.run()
    rounds = len(found["nautilus RiskEngine"])
    print(f"{platform.machine()}, Python {platform.python_version()}, {rounds} rounds, 5 positions")
    engine_ns = statistics.median(found["nautilus RiskEngine"])
    for name, times in found.items():
        median = statistics.median(times)
        print(
            f"{name:22} {median:9.0f} ns   best {min(times):7.0f}   "
            f"{median / engine_ns:6.3f} of nautilus's RiskEngine"
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
