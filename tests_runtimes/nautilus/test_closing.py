"""The kill switch closes a real engine's account: in order, exactly, told as it was confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest
from nautilus_rig import (
    BUY,
    PRICES,
    SELL,
    Backtest,
    GateWriter,
    Script,
    book_of,
    instrument_id,
    kill_of,
    reports_in,
)
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import AccountType, BookType, OmsType, TriggerType
from nautilus_trader.model.objects import Price, Quantity

from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.nautilus import RiskLayer


def a_book(one: Script) -> None:
    """Longs, a short, and orders of every kind resting beside them."""
    one.market("AAPL", BUY, 100)
    one.market("IBM", SELL, 50)


def orders(one: Script) -> None:
    one.limit("AAPL", BUY, 10, 0.8)
    one.limit("AAPL", SELL, 100, 1.3, reduce_only=True)
    one.limit("MSFT", BUY, 10, 0.8)
    stop = one.order_factory.stop_market(
        instrument_id("GOOG"),
        BUY,
        Quantity.from_int(1),
        trigger_price=Price(one.price("GOOG") * 1.4, 4),
        emulation_trigger=TriggerType.LAST_PRICE,
    )
    one.submit_order(stop)


def kinds(folder: Path) -> list[str]:
    return [one["kind"] for one in reports_in(folder)]


def test_working_orders_go_first_then_positions_and_then_it_is_halted(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    script = Script(a_book, orders, lambda one: writer.kill())
    run = Backtest(tmp_path, (script,), account=AccountType.MARGIN)
    states: list[str] = []
    script.every_day = lambda one: states.append(run.state)
    run.run(layer)
    assert run.is_flat
    assert states[:3] == ["ACTIVE"] * 3
    assert set(states[3:]) == {"HALTED"}
    told = reports_in(tmp_path)
    assert [one["kind"] for one in told] == [
        *["orders_cancelled"] * 4,
        *["position_closed"] * 2,
        "flat_confirmed",
        "orders_cancelled",
    ]
    closed = {one["symbol"]: one["quantity"] for one in told if one["kind"] == "position_closed"}
    assert closed == {"AAPL.SIM": "100", "IBM.SIM": "-50"}
    assert told[-1]["final"] is True
    assert {one["kill_id"] for one in told} == {"kill-0001"}
    ours = [one for one in run.engine.cache.orders() if str(one.client_order_id).startswith("RW-")]
    assert sorted((float(one.quantity), one.is_reduce_only) for one in ours) == [
        (50.0, True),
        (100.0, True),
    ]


def test_a_kill_of_one_symbol_closes_that_and_leaves_the_rest_alone(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    script = Script(
        a_book,
        orders,
        lambda one: writer.open(kill_of(scope="symbol=AAPL.SIM")),
        lambda one: (one.market("AAPL", BUY, 1), one.market("MSFT", BUY, 1)),
    )
    run = Backtest(tmp_path, (script,), account=AccountType.MARGIN).run(layer)
    assert run.positions == {"IBM": -50, "MSFT": 1}
    assert {str(one.instrument_id.symbol) for one in run.working} == {"MSFT", "GOOG"}
    assert run.state == "ACTIVE"
    assert script.reasons()[0].startswith("kill switch tripped for symbol=AAPL.SIM")
    assert kinds(tmp_path).count("flat_confirmed") == 1


def test_positions_of_both_sides_and_of_two_strategies_are_closed_one_by_one(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    first = Script(
        lambda one: (one.market("AAPL", BUY, 100), one.market("AAPL", SELL, 40)),
        lambda one: writer.kill(),
        tag="A",
    )
    second = Script(lambda one: one.market("AAPL", SELL, 7), tag="B")
    run = Backtest(tmp_path, (first, second), account=AccountType.MARGIN, oms=OmsType.HEDGING).run(
        layer
    )
    assert run.is_flat
    told = [one for one in reports_in(tmp_path) if one["kind"] == "position_closed"]
    assert sorted(float(one["quantity"]) for one in told) == [-40, -7, 100]
    assert len({one["id"] for one in told}) == len({one["position_id"] for one in told}) == 3


def test_a_graceful_kill_leaves_positions_to_their_targets_until_its_time_is_up(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    uptime = [1000.0]
    seen: list[dict[str, float]] = []

    def look_and_wait(one: Script) -> None:
        seen.append(dict(run.positions))
        seen.append({str(order.instrument_id.symbol): 1 for order in run.working})
        uptime[0] += layer.graceful_timeout.total_seconds()

    script = Script(
        a_book,
        orders,
        lambda one: writer.kill(KillMode.GRACEFUL),
        lambda one: None,
        look_and_wait,
    )
    run = Backtest(tmp_path, (script,), account=AccountType.MARGIN, uptime=lambda: uptime[0])
    run.run(layer)
    # GOOG's entry is with the emulator: it is judged once it is released.
    assert seen == [{"AAPL": 100, "IBM": -50}, {"AAPL": 1, "GOOG": 1}]
    assert run.is_flat
    assert run.state == "HALTED"


def test_what_survives_or_comes_late_is_closed_and_cancelled_again(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    """A fill that the venue tells of after the account was confirmed flat."""

    def behind_the_guards_back(one: Script) -> None:
        # As an order that was on its way when everything was cancelled: the venue never knew.
        order = one.order_factory.market(instrument_id("MSFT"), BUY, Quantity.from_int(9))
        run.engine.kernel.cache.add_order(order)
        run.guard._door.pass_on(
            SubmitOrder(one.trader_id, one.id, order, order.init_id, one.clock.timestamp_ns())
        )

    script = Script(a_book, lambda one: writer.kill(), lambda one: None, behind_the_guards_back)
    run = Backtest(tmp_path, (script,), account=AccountType.MARGIN)
    run.run(layer)
    assert run.is_flat
    assert run.state == "HALTED"
    closed = [one["symbol"] for one in reports_in(tmp_path) if one["kind"] == "position_closed"]
    assert sorted(closed) == ["AAPL.SIM", "IBM.SIM", "MSFT.SIM"]


@pytest.mark.parametrize(
    ("on_the_day", "closes"), [({"AAPL": 60}, 2), ({"AAPL": 0}, 2), ({"IBM": 10, "AAPL": 99}, 4)]
)
def test_a_close_that_is_refused_or_only_partly_filled_is_finished(
    tmp_path: Path,
    layer: RiskLayer,
    writer: GateWriter,
    on_the_day: dict[str, int],
    closes: int,
) -> None:
    """The order book is thin, or empty, on the day of the kill and good enough on the next ones."""
    script = Script(a_book, lambda one: writer.kill())
    run = Backtest(tmp_path, (script,), account=AccountType.MARGIN, book=BookType.L2_MBP)
    for number, day in enumerate(PRICES.between(run.first, run.last)):
        depths = on_the_day if number in (1, 2) else {}
        for symbol, bar in day.bars.items():
            run.engine.add_data([book_of(symbol, day.date, bar.close, depths.get(symbol, 10_000))])
    run.run(layer)
    # An order that this venue filled in part it knows no more, though nautilus calls it open.
    assert run.positions == {}
    assert all(str(order.client_order_id).startswith("RW-") for order in run.working)
    assert run.state == "HALTED"
    ours = [one for one in run.engine.cache.orders() if str(one.client_order_id).startswith("RW-")]
    assert len(ours) >= closes + 1
    told = [one for one in reports_in(tmp_path) if one["kind"] == "position_closed"]
    assert {one["symbol"]: one["quantity"] for one in told} == {
        "AAPL.SIM": "100",
        "IBM.SIM": "-50",
    }
    assert kinds(tmp_path).count("flat_confirmed") == 1


def test_a_kill_that_is_still_in_force_after_a_restart_is_told_under_the_same_ids(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    Backtest(tmp_path, (Script(a_book, lambda one: writer.kill()),)).run(layer)
    eager = Script(lambda one: one.market("MSFT", BUY, 1))
    again = Backtest(tmp_path, (eager,)).run(layer)
    assert again.state == "HALTED"
    assert eager.reasons() == ["TradingState.HALTED"]
    flat = [one["id"] for one in reports_in(tmp_path) if one["kind"] == "flat_confirmed"]
    assert len(flat) == 2
    assert len(set(flat)) == 1, "so the receivers record it once"
