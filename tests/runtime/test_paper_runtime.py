"""The paper runtime in process, over the real book: thresholds, the kill, crashes anywhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import ExporterError, RiskExporter
from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.reports import TradeBlocked
from risk_policy.vocabulary import KillMode
from risk_runtime.errors import AccountStoreError
from risk_runtime.paper.account import AccountStore
from risk_runtime.paper.broker import TradingMode
from risk_runtime.paper.runtime import Pace
from risk_runtime.pretrade import PreTradeLimit
from risk_runtime.prices import load_prices

PRICES = load_prices()
START = date(2007, 1, 3)
END = PRICES.days[-1].date
SYMBOLS = 5


def test_the_book_crosses_its_drawdown_thresholds_on_the_known_days(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)
    rig.last = date(2008, 12, 31)
    rig.run()
    days = rig.journal("day")
    first = {
        bound: next(d["market_date"] for d in days if d["drawdown_ratio"] > bound)
        for bound in (0.10, 0.15, 0.20)
    }
    assert first == {0.10: "2008-01-22", 0.15: "2008-02-05", 0.20: "2008-10-02"}
    beyond = [d["drawdown_ratio"] > 0.20 for d in days if d["market_date"] >= "2008-10-02"]
    assert all(beyond[:20]), "it stays there long enough for any scrape to see it"
    assert [day["market_date"] for day in days] == sorted({day["market_date"] for day in days})
    assert days[0]["market_date"] == "2007-01-03"
    assert {day["gate"] for day in days} == {"open"}
    assert rig.reports == []
    assert rig.journal()[-1]["kind"] == "finished"
    assert rig.journal()[-1]["reason"] == "end_of_data"


def test_the_exporter_is_told_of_losing_trades_and_of_nothing_the_runtime_does_not_have(
    rig: Any, writer: Any, exporter: RiskExporter
) -> None:
    writer.open(seconds=59)
    rig.first, rig.last = date(2008, 6, 2), date(2008, 12, 31)
    told: list[int] = []
    rig.on_day = lambda _: told.append(rig.runtime.broker.losses_in_row)
    broker = rig.run().broker
    published = {block.metric.name: block for block in exporter.blocks()}
    losses = published[m.CONSECUTIVE_LOSSES.name]
    assert losses.values.tolist() == [broker.losses_in_row]
    assert max(told) >= 2
    refused = published[m.TRADES_BLOCKED.name]
    assert {one["limit"] for one in refused.labels} == {"gate", *PreTradeLimit}
    assert m.PRICE_RANGE.name in published
    for metric in (m.MARGIN_LEVEL, m.STRATEGY_USAGE, m.POSITION_RISK, m.POSITION_WITHOUT_STOP):
        assert metric.name not in published


def test_the_same_run_twice_gives_the_same_book(
    rig: Any, writer: Any, tmp_path: Path, new_exporter: Callable[[], Any]
) -> None:
    writer.open(seconds=59)
    rig.last = date(2007, 6, 29)
    one = rig.run().broker.state()
    other = rig.fresh(new_exporter())
    assert other.run().broker.state() == one


def test_a_kill_closes_in_order_ends_flat_and_blocks_what_comes_after(
    rig: Any, writer: Any
) -> None:
    writer.open(seconds=59)
    rig.kill_on(writer, date(2008, 10, 2), kill_id="kill-7")
    rig.last = date(2008, 12, 31)
    runtime = rig.run()

    assert not runtime.broker.holdings
    assert not runtime.broker.working
    assert runtime.broker.mode is TradingMode.HALTED
    assert runtime.broker.equity == runtime.broker.cash
    journal = [line for line in rig.journal() if line["kind"] not in ("day", "order_filled")]
    assert [line["kind"] for line in journal[: SYMBOLS + 4]] == [
        "gate_closed",
        "orders_cancelled",
        *["position_closed"] * SYMBOLS,
        "flat_confirmed",
        "orders_cancelled",
    ]
    assert journal[0]["cause"] == "DRAWDOWN_EMERGENCY"
    assert {line["market_date"] for line in journal[: SYMBOLS + 4]} == {"2008-10-02"}
    blocked = [report for report in rig.reports if isinstance(report, TradeBlocked)]
    assert blocked
    assert all("kill switch tripped" in report.reason for report in blocked)
    assert all(report.market_date > "2008-10-02" for report in blocked)
    assert len(rig.journal("order_blocked")) == len(blocked)
    after = [d for d in rig.journal("day") if d["market_date"] > "2008-10-02"]
    assert {(d["positions_open"], d["orders_working"], d["gate"]) for d in after} == {
        (0, 0, "halted")
    }
    assert not [d for d in rig.journal("order_filled") if d["market_date"] > "2008-10-02"]


def test_a_kill_that_was_tripped_before_the_start_is_obeyed_before_the_first_day(
    rig: Any, writer: Any
) -> None:
    writer.kill()
    rig.last = date(2007, 3, 1)
    rig.run()
    assert rig.journal()[0]["kind"] == "gate_closed"
    assert rig.journal("order_filled") == []
    assert rig.journal("order_blocked")


def test_a_pause_keeps_positions_takes_no_entries_and_withdraws_resting_purchases(
    rig: Any, writer: Any
) -> None:
    writer.open(seconds=59)
    rig.kill_on(writer, date(2007, 2, 1), mode=KillMode.PAUSE)
    rig.last = date(2007, 4, 30)
    runtime = rig.run()
    assert len(runtime.broker.holdings) == SYMBOLS
    assert not runtime.broker.working
    assert rig.journal("position_closed") == []
    assert rig.journal("order_blocked")
    late = [d for d in rig.journal("order_filled") if d["market_date"] > "2007-02-01"]
    assert late, "positions are managed on"
    assert {fill["side"] for fill in late} == {"sell"}


@pytest.mark.parametrize(("minutes", "flat"), [(29, False), (30, True)])
@pytest.mark.parametrize("clock_is_ahead", [False, True])
def test_graceful_becomes_immediate_once_the_policys_time_has_passed_on_no_clock_that_can_be_set(
    rig: Any, writer: Any, minutes: int, flat: bool, clock_is_ahead: bool
) -> None:
    writer.open(seconds=59)
    passed = [0.0]
    rig.uptime = lambda: passed[0]
    since = utc_now() - timedelta(hours=2 if clock_is_ahead else -2)

    def trip_then_wait(market_date: date) -> None:
        if market_date == date(2007, 2, 1):
            writer.kill(mode=KillMode.GRACEFUL, since=since)
        if market_date == date(2007, 2, 15):
            passed[0] += 60 * minutes

    rig.on_day = trip_then_wait
    rig.last = date(2007, 2, 28)
    assert (not rig.run().broker.holdings) is flat


def test_a_pause_that_is_tightened_closes_everything(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)

    def tighten(market_date: date) -> None:
        if market_date >= date(2007, 2, 1):
            mode = KillMode.PAUSE if market_date < date(2007, 3, 1) else KillMode.IMMEDIATE
            writer.kill(mode=mode)

    rig.on_day = tighten
    rig.last = date(2007, 3, 30)
    assert not rig.run().broker.holdings
    assert [line["mode"] for line in rig.journal("gate_closed")] == ["pause", "immediate"]


def test_a_cleared_switch_lets_the_strategy_trade_again(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)

    def kill_then_clear(market_date: date) -> None:
        if market_date == date(2007, 2, 1):
            writer.kill()
        if market_date == date(2007, 3, 1):
            writer.open(seconds=59)

    rig.on_day = kill_then_clear
    rig.last = date(2007, 6, 1)
    assert len(rig.run().broker.holdings) == SYMBOLS
    assert len(rig.journal("gate_opened")) == 1
    stored = AccountStore(rig.data).load()
    assert stored is not None
    assert stored.flat_for_kill == "", "it is not flat any more"


def test_a_stopped_runtime_goes_on_where_it_was_as_if_never_stopped(
    rig: Any, writer: Any, tmp_path: Path, new_exporter: Callable[[], Any]
) -> None:
    writer.open(seconds=59)
    rig.last = date(2007, 6, 29)
    stop = threading.Event()
    rig.on_day = lambda day: stop.set() if day >= date(2007, 3, 15) else None
    rig.run(stop)
    assert rig.journal()[-1]["reason"] == "stopped"
    rig.on_day = lambda _: None
    halves = rig.run().broker.state()
    whole = rig.fresh(new_exporter())
    assert halves == whole.run().broker.state()
    days = [day["market_date"] for day in rig.journal("day")]
    assert days == [day["market_date"] for day in whole.journal("day")]


def test_an_account_is_not_continued_under_another_name(rig: Any, writer: Any) -> None:
    rig.last = date(2007, 1, 5)
    rig.run()
    rig.terms = replace(rig.terms, account="other")
    with pytest.raises(AccountStoreError, match="stored account is 'main', not 'other'"):
        rig.run()


def test_an_exporter_that_takes_no_snapshot_does_not_stop_the_closing(
    rig: Any, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    writer.open(seconds=59)
    rig.last = date(2007, 2, 28)

    def fail(market_date: date) -> None:
        if market_date == date(2007, 1, 31):
            writer.kill()
            raise ExporterError("its memory is on a full disk")

    rig.on_day = fail
    assert not rig.run().broker.holdings
    assert rig.journal("flat_confirmed")
    assert "its memory is on a full disk" in caplog.text


def test_at_the_end_the_snapshot_is_kept_fresh_and_a_kill_is_still_obeyed(
    rig: Any, writer: Any, eventually: Callable[..., None]
) -> None:
    writer.open(seconds=59)
    rig.last = date(2007, 1, 31)
    rig.pace = Pace(exit_at_end=False, renew_seconds=0.02)
    fresh: list[date] = []
    rig.on_day = fresh.append
    stop = threading.Event()
    thread = threading.Thread(target=rig.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: fresh.count(date(2007, 1, 31)) > 3)
        assert rig.runtime is not None
        assert len(rig.runtime.broker.holdings) == SYMBOLS
        writer.kill()
        eventually(lambda: rig.runtime is not None and not rig.runtime.broker.holdings)
        eventually(lambda: rig.journal("flat_confirmed"))
    finally:
        stop.set()
        thread.join()
    assert [line["kind"] for line in rig.journal()].count("finished") == 1


def test_between_days_a_trip_is_noticed_long_before_the_next_day(
    rig: Any, writer: Any, eventually: Callable[..., None]
) -> None:
    writer.open(seconds=59)
    rig.pace = Pace(days_per_second=0.05, renew_seconds=20, exit_at_end=False)
    stop = threading.Event()
    thread = threading.Thread(target=rig.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: rig.journal_file.exists() and rig.journal("day"))
        writer.kill()
        eventually(lambda: rig.journal("flat_confirmed"), seconds=5)
        assert len(rig.journal("day")) == 1
    finally:
        stop.set()
        thread.join()


def test_it_waits_for_the_first_scrape_and_replays_all_the_same_if_there_is_none(
    rig: Any, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    writer.open(seconds=59)
    asked: list[float] = []

    def never(timeout: float) -> bool:
        asked.append(timeout)
        return False

    rig.last = date(2007, 1, 5)
    rig.run(scraped=never, readiness_seconds=0.05)
    assert asked
    assert "nothing has scraped; replaying all the same" in caplog.text
    assert len(rig.journal("day")) == 3


def test_it_waits_for_the_gate_to_open_before_the_first_day(rig: Any, writer: Any) -> None:
    timer = threading.Timer(0.1, writer.open, (59,))
    timer.start()
    rig.last = date(2007, 1, 5)
    rig.run(readiness_seconds=20)
    timer.join()
    assert rig.journal("order_blocked") == []
    assert len(rig.journal("order_filled")) >= SYMBOLS


def test_a_resting_order_that_fills_in_the_dip_is_part_of_the_book(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)
    rig.last = date(2008, 2, 29)
    rig.run()
    days = [day["orders_working"] for day in rig.journal("day")]
    assert max(days) == SYMBOLS
    assert min(days) < SYMBOLS


def test_refused_orders_are_counted_by_what_refused_them(
    rig: Any, writer: Any, exporter: RiskExporter
) -> None:
    writer.open(seconds=59)
    rig.terms = replace(rig.terms, limits=replace(rig.terms.limits, order_max_ratio=0.1))
    rig.kill_on(writer, date(2007, 1, 31))
    rig.last = date(2007, 3, 8)
    rig.run()
    refused = [report.limit for report in rig.reports if isinstance(report, TradeBlocked)]
    assert {limit or "gate" for limit in refused} == {"order_size", "gate"}
    (block,) = [b for b in exporter.blocks() if b.metric is m.TRADES_BLOCKED]
    every = {x["limit"]: n for x, n in zip(block.labels, block.values.tolist(), strict=True)}
    counted = {limit: n for limit, n in every.items() if n}
    assert counted == {"order_size": refused.count("order_size"), "gate": refused.count("")}
    assert len(rig.journal("order_blocked")) == len(refused)
