"""The catalogue kept: every metric it gives to the exporter, with its labels, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from risk_exporter import RiskExporter, SnapshotRefusedError
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.metrics import METRICS
from risk_policy.contracts.alert import risk_id
from risk_policy.contracts.high_water_mark import Reset, Wanted

OURS = {name: metric for name, metric in METRICS.items() if metric.component == "exporter"}

#: What a runtime need not tell, and what needs a second price, is absent without it.
OPTIONAL = {
    "risk_consecutive_losses",
    "risk_margin_level_ratio",
    "risk_strategy_limit_usage_ratio",
    "risk_venue_limit_usage_ratio",
    "risk_trade_edge_ratio",
    "risk_cost_budget_usage_ratio",
    "risk_position_risk_ratio",
    "risk_position_without_stop_seconds",
    "risk_position_age_periods",
    "risk_position_atr_ratio",
    "risk_spread_ratio",
    "risk_atr_baseline_ratio",
    "risk_price_range_ratio",
    "risk_websocket_lag_seconds",
    "risk_inference_latency_p95_seconds",
    "risk_inference_latency_p99_seconds",
    "risk_order_placement_seconds",
    "risk_order_fill_seconds",
    "risk_stop_loss_triggered_timestamp_seconds",
    "risk_take_profit_triggered_timestamp_seconds",
    "risk_trades_blocked_total",
    "risk_high_water_mark_reset_timestamp_seconds",
    "risk_trading_mode_info",
    "risk_gating_flag",
    "risk_live_orders_ruled_out",
}


def test_every_metric_of_the_catalogue_is_exported_with_its_labels_and_nothing_else(
    exporter: RiskExporter, full: Any, book: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(100_000))
    exporter.observe(book(90_000))
    fall = {"account": "main", "currency": "USD", "before": "100000.0", "after": "90000.0"}
    reset = Reset(**fall, id="reset-1", audit_seq=1)
    exporter.high_water_mark(Wanted(account="main", reset=reset))
    exporter.observe(full())
    exporter.count_blocked("main", "gate")
    clock.advance(seconds=1)
    exporter.observe(full())
    x = scrape(exporter)
    assert {name for name, _ in x.samples} == set(OURS)
    for family in x.families:
        for sample in family.samples:
            assert family.type == OURS[sample.name].kind
            assert family.documentation == OURS[sample.name].help
    for block in exporter.blocks():
        assert len(block.labels) == len(block.values) > 0
        for labels in block.labels:
            assert tuple(labels) == block.metric.labels, block.metric.name


def test_what_nobody_told_is_absent_and_neither_nan_nor_zero(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(100_000, holding()))
    x = scrape(exporter)
    assert {name for name, _ in x.samples} == set(OURS) - OPTIONAL


def test_what_is_not_told_any_more_disappears(
    exporter: RiskExporter, full: Any, book: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(full())
    clock.advance(days=1, seconds=1)  # events are a day old by then
    exporter.observe(book(100_000))
    assert OPTIONAL.isdisjoint({name for name, _ in scrape(exporter).samples})


def test_what_a_limit_watches_carries_the_risk_id_of_its_identity(
    exporter: RiskExporter, full: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(full())
    clock.advance(seconds=1)
    exporter.observe(full())
    x = scrape(exporter)
    ids = Counter((name, dict(labels).get("risk_id")) for name, labels in x.samples)
    for limit in LIMITS:
        every = x.labels(limit.metric.name)
        own = [y for y in every if y["risk_id"].startswith(f"{limit.name}/")]
        sharing = [other for other in LIMITS if other.metric is limit.metric]
        assert len(own) * len(sharing) == len(every) > 0, limit.name
        for labels in own:
            assert labels["risk_id"] == risk_id(limit.name, *(labels[n] for n in limit.identity))
            assert ids[limit.metric.name, labels["risk_id"]] == 1
    (age,) = x.labels("risk_snapshot_age_seconds")
    assert age["risk_id"] == "data_stale/main"


def test_what_the_runtime_tells_is_shown_as_the_limits_read_it(
    exporter: RiskExporter, full: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(full(10_000))
    happened = clock.now.timestamp()
    clock.advance(seconds=1)
    exporter.observe(full(10_000))
    x = scrape(exporter)

    def watched(metric: str, limit: str, **identity: str) -> float:
        named = {"account": "main", **identity}
        return float(x.value(metric, **named, risk_id=risk_id(limit, *named.values())))

    assert watched("risk_leverage_ratio", "leverage") == 1.5
    assert watched("risk_margin_level_ratio", "margin") == 2
    assert watched("risk_consecutive_losses", "consecutive_losses") == 2
    assert watched("risk_strategy_limit_usage_ratio", "strategy_usage", strategy="trend") == 0.75
    assert watched("risk_trade_edge_ratio", "trade_edge", strategy="trend") == 0.002
    assert watched("risk_trade_edge_ratio", "trade_edge", strategy="carry") == -0.001
    assert watched("risk_venue_limit_usage_ratio", "venue_usage", venue="kraken") == 0.5
    assert watched("risk_cost_budget_usage_ratio", "cost_budget", budget="news-api") == 0.9
    assert watched("risk_position_risk_ratio", "trade_risk", symbol="AAPL") == 0.005
    assert watched("risk_position_without_stop_seconds", "without_stop", symbol="AAPL") == 0
    assert watched("risk_position_age_periods", "time_exit", symbol="AAPL") == 7
    for limit in ("volatility_expansion", "volatility_contraction"):
        assert watched("risk_position_atr_ratio", limit, symbol="AAPL") == 1.25
    assert watched("risk_spread_ratio", "spread", symbol="ETH") == 0.004
    assert watched("risk_atr_baseline_ratio", "atr_spike", symbol="ETH") == 2.25
    assert watched("risk_price_range_ratio", "price_move", symbol="AAPL") == 0
    assert watched("risk_websocket_lag_seconds", "websocket_lag", venue="kraken") == 0.125
    assert watched("risk_inference_latency_p95_seconds", "inference_p95") == 0.25
    assert watched("risk_inference_latency_p99_seconds", "inference_p99") == 0.75
    assert watched("risk_order_placement_seconds", "order_placement", venue="kraken") == 0.5
    assert watched("risk_order_fill_seconds", "order_fill", venue="kraken") == 1.5
    stop = "risk_stop_loss_triggered_timestamp_seconds"
    assert x.value(stop, account="main", symbol="AAPL") == happened
    profit = "risk_take_profit_triggered_timestamp_seconds"
    assert x.value(profit, account="main", symbol="WTI") == happened


# -- what the exporter says of itself ----------------------------------------------------------


def test_its_clock_is_read_at_the_scrape(exporter: RiskExporter, clock: Any, scrape: Any) -> None:
    assert scrape(exporter).value("risk_exporter_time_seconds") == clock.now.timestamp()
    clock.advance(seconds=3)
    assert scrape(exporter).value("risk_exporter_time_seconds") == clock.now.timestamp()


def test_the_free_share_of_its_disk_is_that_of_an_ordinary_process(
    exporter: RiskExporter, state_dir: Path, scrape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, who = "risk_disk_free_ratio", {"component": "exporter"}
    assert 0 < scrape(exporter).value(name, **who) < 1
    # 1000 blocks, 100 of them kept for root: 300 of the other 900 are free.
    full = SimpleNamespace(f_blocks=1000, f_bfree=400, f_bavail=300)
    monkeypatch.setattr("os.statvfs", lambda path: full if path == state_dir else None)
    assert scrape(exporter).value(name, **who) == pytest.approx(1 / 3)

    def fails(_: Path) -> None:
        raise OSError("no such disk")

    monkeypatch.setattr("os.statvfs", fails)
    assert scrape(exporter).labels(name) == []


def test_errors_that_nobody_had_planned_for_are_counted_from_zero_and_each_once(
    exporter: RiskExporter, book: Any, clock: Any, scrape: Any
) -> None:
    name, who = "risk_unexpected_errors_total", {"component": "exporter"}
    assert scrape(exporter).value(name, **who) == 0
    exporter.observe(book())
    with pytest.raises(SnapshotRefusedError):
        exporter.observe(book(currency="EUR"))
    assert scrape(exporter).value(name, **who) == 0
    with pytest.raises(AttributeError) as met:
        exporter.observe(SimpleNamespace(account="main"))  # type: ignore[arg-type] # the point
    exporter.count_unexpected(met.value)  # as the server does with what comes out of it
    assert scrape(exporter).value(name, **who) == 1
    with pytest.raises(AttributeError):
        exporter.observe(SimpleNamespace(account="main"))  # type: ignore[arg-type] # the point
    assert scrape(exporter).value(name, **who) == 2
