"""What the gate and the checks say is kept by a real engine, whoever sends the order."""

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
    instrument_id,
    kill_of,
    reports_in,
    trade_at,
)
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import ContingencyType, TradingState, TriggerType
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime.adapters.nautilus import RiskLayer


def restriction(kind: RestrictionKind, scope: str, size_ratio: float | None = None) -> Restriction:
    return Restriction(
        kind=kind,
        id="r-1",
        scope=Scope.parse(scope),
        size_ratio=size_ratio,
        cause="a test",
        level="warning",
        since=utc_now(),
    )


def test_an_open_gate_lets_orders_within_the_limits_through(
    tmp_path: Path, layer: RiskLayer
) -> None:
    script = Script(
        lambda one: one.market("AAPL", BUY, 100), lambda one: one.limit("IBM", BUY, 9, 0.9)
    )
    run = Backtest(tmp_path, (script,)).run(layer)
    assert run.positions == {"AAPL": 100}
    assert [str(one.instrument_id.symbol) for one in run.working] == ["IBM"]
    assert script.reasons() == []
    assert run.state == "ACTIVE"


def test_a_gate_nobody_renews_refuses_entries_lets_positions_be_reduced_and_opens_again(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    seen: list[str] = []

    def flips(one: Script) -> None:
        seen.append(run.state)
        one.market("AAPL", SELL, 61)

    script = Script(
        lambda one: one.market("AAPL", BUY, 100),
        lambda one: writer.expire(),
        lambda one: (one.market("AAPL", BUY, 1), one.market("IBM", BUY, 1)),
        lambda one: one.market("AAPL", SELL, 40),
        flips,
        lambda one: writer.open(),
        lambda one: one.market("IBM", BUY, 2),
    )
    run = Backtest(tmp_path, (script,))
    run.run(layer)
    assert seen == ["REDUCING"]
    assert run.state == "ACTIVE"
    assert run.positions == {"AAPL": 60, "IBM": 2}
    more, other, flip = script.reasons()
    assert "TradingState.REDUCING" in more, "nautilus's own RiskEngine was first"
    assert "its lease ended" in other, "it lets entries from flat pass; the guard does not"
    assert "its lease ended" in flip, "nor does it stop an order that flips a position"
    blocked = [one for one in reports_in(tmp_path) if one["kind"] == "trade_blocked"]
    assert [(one["symbol"], one["side"], one["quantity"]) for one in blocked] == [
        ("AAPL.SIM", "buy", "1"),
        ("IBM.SIM", "buy", "1"),
        ("AAPL.SIM", "sell", "61"),
    ]


def test_what_goes_round_nautilus_s_own_risk_engine_meets_the_guard(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    def directly(one: Script) -> None:
        order = one.order_factory.market(instrument_id("IBM"), BUY, Quantity.from_int(5))
        command = SubmitOrder(one.trader_id, one.id, order, order.init_id, one.clock.timestamp_ns())
        one.msgbus.send(endpoint="ExecEngine.execute", msg=command)

    def emulated(one: Script) -> None:
        order = one.order_factory.stop_market(
            instrument_id("AAPL"),
            BUY,
            Quantity.from_int(5),
            trigger_price=Price(one.price("AAPL") * 1.001, 4),
            emulation_trigger=TriggerType.LAST_PRICE,
        )
        one.subscribe_trade_ticks(instrument_id("AAPL"))
        one.submit_order(order)

    script = Script(emulated, lambda one: writer.expire(), directly)
    run = Backtest(tmp_path, (script,))
    late = PRICES.between(run.first, run.last)[5]
    run.engine.add_data([trade_at("AAPL", late.date, float(late.bars["AAPL"].close) * 2)])
    run.run(layer)
    assert run.positions == {}
    assert "OrderReleased" in script.names(), "nautilus's own RiskEngine is not asked about it"
    assert len(script.reasons()) == 2
    assert all("its lease ended" in reason for reason in script.reasons())


def test_a_strategy_that_is_denied_by_the_trading_state_alone_is_on_record_too(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    script = Script(
        lambda one: one.market("AAPL", BUY, 100),
        lambda one: writer.kill(),
        lambda one: None,
        lambda one: one.market("MSFT", BUY, 7),
    )
    run = Backtest(tmp_path, (script,)).run(layer)
    assert script.reasons() == ["TradingState.HALTED"]
    assert run.is_flat
    (blocked,) = [one for one in reports_in(tmp_path) if one["kind"] == "trade_blocked"]
    assert (blocked["symbol"], blocked["reason"]) == ("MSFT.SIM", "TradingState.HALTED")


def test_an_order_that_is_changed_is_judged_as_what_it_would_be(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    def change(one: Script, units: int) -> None:
        (order,) = one.cache.orders_open(instrument_id=instrument_id("IBM"))
        one.modify_order(order, quantity=Quantity.from_int(units))

    script = Script(
        lambda one: one.limit("IBM", BUY, 100, 0.9),
        lambda one: change(one, 200),
        lambda one: change(one, 5000),  # half the account
        lambda one: writer.expire(),
        lambda one: change(one, 300),
        lambda one: change(one, 50),
    )
    run = Backtest(tmp_path, (script,)).run(layer)
    (order,) = run.working
    assert float(order.quantity) == 50
    assert script.names().count("OrderUpdated") == 2
    too_large, closed = script.reasons("OrderModifyRejected")
    assert "more than" in too_large
    assert "its lease ended" in closed
    limits = [one["limit"] for one in reports_in(tmp_path) if one["kind"] == "trade_blocked"]
    assert limits == ["order_size", ""]


def test_checks_see_the_stop_of_a_bracket_and_its_exits_are_no_new_risk(
    tmp_path: Path, layer: RiskLayer
) -> None:
    def bracket(one: Script, stop: float) -> None:
        price = one.price("AAPL")
        orders = one.order_factory.bracket(
            instrument_id("AAPL"),
            BUY,
            Quantity.from_int(int(100_000 / price)),
            sl_trigger_price=Price(price * stop, 4),
            tp_price=Price(price * 1.5, 4),
        )
        one.submit_order_list(orders)

    script = Script(lambda one: bracket(one, 0.5), lambda one: bracket(one, 0.9))
    run = Backtest(tmp_path, (script,)).run(layer)
    assert list(run.positions) == ["AAPL"]
    assert len(run.working) == 2, "stop and target rest, although each sells all of it"
    assert len(set(script.reasons())) == 1, "the three orders of the first were refused together"
    limits = [one["limit"] for one in reports_in(tmp_path) if one["kind"] == "trade_blocked"]
    assert limits == ["risk_per_trade"]


def test_a_stop_sent_right_behind_its_entry_passes_and_a_second_one_does_not(
    tmp_path: Path, layer: RiskLayer
) -> None:
    def protect(one: Script, units: int) -> None:
        stop = one.order_factory.stop_market(
            instrument_id("AAPL"),
            SELL,
            Quantity.from_int(units),
            trigger_price=Price(one.price("AAPL") * 0.5, 4),
            reduce_only=True,
        )
        one.submit_order(stop)

    def enter(one: Script) -> None:
        one.market("AAPL", BUY, 100)
        protect(one, 100)
        protect(one, 1)

    script = Script(enter)
    run = Backtest(tmp_path, (script,)).run(layer)
    assert [float(order.quantity) for order in run.working] == [100]
    (refused,) = script.reasons()
    assert "it may only reduce" in refused


def test_orders_of_which_only_one_can_be_filled_count_once(
    tmp_path: Path, layer: RiskLayer
) -> None:
    def either(one: Script) -> None:
        names = [one.order_factory.generate_client_order_id() for _ in range(2)]
        for number, name in enumerate(names):
            price = one.price("AAPL") * (0.9 - 0.05 * number)
            order = LimitOrder(
                trader_id=one.trader_id,
                strategy_id=one.id,
                instrument_id=instrument_id("AAPL"),
                client_order_id=name,
                order_side=BUY,
                quantity=Quantity.from_int(int(120_000 / one.price("AAPL"))),
                price=Price(price, 4),
                init_id=UUID4(),
                ts_init=one.clock.timestamp_ns(),
                contingency_type=ContingencyType.OUO,
                linked_order_ids=[names[1 - number]],
            )
            one.submit_order(order)

    def more(one: Script) -> None:
        one.limit("AAPL", BUY, int(50_000 / one.price("AAPL")), 0.9)

    script = Script(either, more)
    run = Backtest(tmp_path, (script,)).run(layer)
    assert script.reasons() == []
    assert len(run.working) == 3


def test_two_orders_that_fit_one_by_one_do_not_both_pass(tmp_path: Path, layer: RiskLayer) -> None:
    def both(one: Script) -> None:
        units = int(120_000 / one.price("AAPL"))
        one.market("AAPL", BUY, units)
        one.market("AAPL", BUY, units - 1)

    script = Script(both)
    run = Backtest(tmp_path, (script,)).run(layer)
    assert len(script.reasons()) == 1
    assert "position AAPL.SIM would come to" in script.reasons()[0]
    assert len(run.positions) == 1


def test_a_restriction_holds_what_it_covers_and_nothing_else(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    writer.open(
        restriction(RestrictionKind.BLOCK_TRADE, "symbol=AAPL.SIM"),
        restriction(RestrictionKind.PAUSE_NEW_ENTRIES, "strategy=Script-B"),
        restriction(RestrictionKind.HALT_NEW_TRADES, "sector=energy"),
        restriction(RestrictionKind.REDUCE_SIZE, "symbol=MSFT.SIM", 0.5),
    )
    script = Script(
        lambda one: (one.market("AAPL", BUY, 1), one.market("WTI", BUY, 1)),
        lambda one: (one.market("IBM", BUY, 3), one.market("MSFT", BUY, 4)),
        lambda one: one.market("MSFT", BUY, 5, risk_full_quantity=10),
        tag="A",
    )
    other = Script(lambda one: one.market("GOOG", BUY, 1), tag="B")
    run = Backtest(tmp_path, (script, other)).run(layer)
    assert run.positions == {"IBM": 3, "MSFT": 5}
    assert [reason.partition(" for ")[0] for reason in script.reasons()] == [
        "block_trade",
        "halt_new_trades",
        "reduce_size to 50%",
    ]
    assert "full_quantity" in script.reasons()[2]
    assert other.reasons()[0].startswith("pause_new_entries for strategy=Script-B")
    assert run.state == "ACTIVE", "it is of the whole account, so a part of it cannot set it"


def test_a_restriction_of_the_account_sets_nautilus_to_reduce_only(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    script = Script(
        lambda one: one.market("IBM", BUY, 3),
        lambda one: writer.open(restriction(RestrictionKind.REDUCE_ONLY, "account=main")),
    )
    assert Backtest(tmp_path, (script,)).run(layer).state == "REDUCING"


@pytest.mark.parametrize("account", ["elsewhere", "main"])
def test_an_entry_that_rests_is_withdrawn_when_a_kill_covers_it(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter, account: str
) -> None:
    script = Script(
        lambda one: one.market("AAPL", BUY, 100),
        lambda one: (one.limit("AAPL", BUY, 10, 0.8), one.limit("AAPL", SELL, 100, 1.2)),
        lambda one: writer.open(kill_of(KillMode.PAUSE, scope=f"account={account}")),
    )
    run = Backtest(tmp_path, (script,)).run(layer)
    sides = {order.side for order in run.working}
    assert sides == ({BUY, SELL} if account == "elsewhere" else {SELL})
    assert run.positions == {"AAPL": 100}


@pytest.mark.parametrize(
    ("kind", "size_ratio", "stays"),
    [(RestrictionKind.PAUSE_NEW_ENTRIES, None, False), (RestrictionKind.REDUCE_SIZE, 0.5, True)],
)
def test_an_entry_that_rests_is_withdrawn_after_a_while_if_a_new_one_would_be_refused(
    tmp_path: Path,
    layer: RiskLayer,
    writer: GateWriter,
    kind: RestrictionKind,
    size_ratio: float | None,
    stays: bool,
) -> None:
    uptime = [1000.0]
    seen: list[int] = []

    def wait(one: Script) -> None:
        seen.append(len(run.working))
        uptime[0] += 30.0

    script = Script(
        lambda one: one.limit("AAPL", BUY, 10, 0.8),
        lambda one: writer.open(restriction(kind, "symbol=AAPL.SIM", size_ratio)),
        lambda one: None,
        wait,
    )
    run = Backtest(tmp_path, (script,), uptime=lambda: uptime[0])
    run.run(layer)
    assert seen == [1]
    assert len(run.working) == stays


def test_a_halt_by_somebody_s_hand_outlasts_a_gate_that_closes_and_opens(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter
) -> None:
    script = Script(
        lambda one: one.market("AAPL", BUY, 10),
        lambda one: run.engine.kernel.risk_engine.set_trading_state(TradingState.HALTED),
        lambda one: writer.expire(),
        lambda one: None,
        lambda one: writer.open(),
    )
    run = Backtest(tmp_path, (script,))
    assert run.run(layer).state == "HALTED"
    assert run.positions == {"AAPL": 10}


def test_an_order_nobody_can_judge_goes_nowhere(
    tmp_path: Path, layer: RiskLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake in the guard")

    script = Script(
        lambda one: monkeypatch.setattr(run.guard._judge, "submitted", broken),
        lambda one: one.market("IBM", BUY, 3),
    )
    run = Backtest(tmp_path, (script,))
    run.run(layer)
    assert run.positions == {}
    assert "a mistake in the guard" in script.reasons()[0]
    (blocked,) = reports_in(tmp_path)
    assert "a mistake in the guard" in blocked["reason"]


def test_a_mistake_in_the_guard_is_counted_and_nautilus_goes_on(
    tmp_path: Path, layer: RiskLayer, writer: GateWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake in the guard")

    def stumble(one: Script) -> None:
        monkeypatch.setattr(run.guard._closer, "close", broken)
        writer.kill()

    script = Script(
        lambda one: one.market("AAPL", BUY, 100),
        stumble,
        lambda one: one.market("IBM", BUY, 1),
        lambda one: monkeypatch.undo(),
    )
    run = Backtest(tmp_path, (script,))
    run.run(layer)
    assert script.day > 10
    assert len(script.reasons()) == 1
    assert run.is_flat, "the next look closes it after all"
    shown = {block.metric.name: block.values for block in layer.exporter.blocks()}
    assert sum(shown["risk_unexpected_errors_total"]) >= 1
