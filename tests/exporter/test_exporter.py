"""What a scrape shows of the snapshots that were taken in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from risk_exporter import HistoryError, RiskExporter, SnapshotRefusedError
from risk_policy import Policy
from risk_policy.catalogue.metrics import METRICS

OURS = {name: metric for name, metric in METRICS.items() if metric.component == "exporter"}


def test_the_figures_of_a_book_are_those_of_the_scrape(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(10_000))
    clock.advance(days=1)
    exporter.observe(
        book(9_000, holding("AAPL", mark=90, sector="tech"), cash=8_100, currency="USD")
    )
    x = scrape(exporter)
    main = {"account": "main"}
    assert x.value("risk_account_info", **main, currency="USD") == 1
    assert x.value("risk_equity", **main) == 9_000
    assert x.value("risk_cash", **main) == 8_100
    assert x.value("risk_equity_peak", **main) == 10_000
    assert x.value("risk_equity_day_start", **main) == 10_000
    assert x.value("risk_positions_open", **main) == 1
    assert x.value("risk_exposure_gross", **main) == 900
    net = x.value("risk_exposure_net_ratio", **main, risk_id="net_exposure/main")
    assert net == pytest.approx(0.1)
    assert x.value("risk_position_notional", **main, symbol="AAPL", sector="tech") == 900
    assert x.value("risk_drawdown_ratio", **main, risk_id="drawdown/main") == pytest.approx(0.1)
    assert x.value("risk_daily_pnl_ratio", **main, risk_id="daily_loss/main") == pytest.approx(-0.1)
    assert x.value(
        "risk_position_return_ratio", **main, symbol="AAPL", risk_id="position_loss/main/AAPL"
    ) == pytest.approx(-0.1)
    assert x.value(
        "risk_position_size_ratio", **main, symbol="AAPL", risk_id="position_size/main/AAPL"
    ) == pytest.approx(0.5)
    assert x.value(
        "risk_sector_concentration_ratio",
        **main, sector="tech", risk_id="sector_concentration/main/tech",
    ) == pytest.approx(0.1)  # fmt: skip
    how = {"method": "historical", "confidence": "0.95", "horizon": "1d"}
    assert math.isnan(x.value("risk_var_ratio", **main, **how))
    assert x.value("risk_var_sample_count", **main) == 0
    assert x.value("risk_snapshot_timestamp_seconds", **main) == clock.now.timestamp()
    assert x.value("risk_snapshots_total", **main) == 2


def test_a_wiped_out_account_shows_as_a_full_drawdown_and_infinite_concentration(
    exporter: RiskExporter, book: Any, holding: Any, scrape: Any, clock: Any
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(-1, holding()))
    x = scrape(exporter)
    assert x.value("risk_drawdown_ratio", account="main", risk_id="drawdown/main") >= 1
    concentration = {"asset": "AAPL", "risk_id": "asset_concentration/main/AAPL"}
    assert x.value("risk_asset_concentration_ratio", account="main", **concentration) == math.inf
    assert x.value("risk_var_limit_usage_ratio", account="main", risk_id="var/main") == math.inf


def test_before_the_first_snapshot_nothing_of_an_account_is_exported(
    exporter: RiskExporter, scrape: Any
) -> None:
    exporter.seed_closes("main", {"AAPL": {"2026-01-02": 1.0}})
    assert {name for name, _ in scrape(exporter).samples} == {
        "risk_policy_info",
        "risk_snapshots_rejected_total",
        "risk_exporter_time_seconds",
        "risk_unexpected_errors_total",
        "risk_disk_free_ratio",
        "risk_fast_lane_on",
        "risk_fast_lane_posts_total",
        "risk_fast_lane_unacknowledged",
    }


def test_an_account_that_does_not_report_after_a_restart_is_shown_as_old_as_it_is(
    new_exporter: Callable[[], RiskExporter], book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    first = new_exporter()
    first.observe(book(120_000))
    clock.advance(days=1)
    first.observe(book(100_000, holding(), currency="USD", market_time=clock.now))
    clock.advance(seconds=1)
    reported = clock.now
    first.observe(book(90_000, holding()))
    first.close()
    clock.advance(hours=2)
    x = scrape(new_exporter())
    main = {"account": "main"}
    assert x.value("risk_account_info", **main, currency="USD") == 1
    assert x.value("risk_equity", **main) == 90_000
    assert x.value("risk_equity_peak", **main) == 120_000
    assert x.value("risk_equity_day_start", **main) == 120_000
    assert x.value("risk_drawdown_ratio", **main, risk_id="drawdown/main") == pytest.approx(0.25)
    daily = x.value("risk_daily_pnl_ratio", **main, risk_id="daily_loss/main")
    assert daily == pytest.approx(-0.25)
    intraday = {**main, "risk_id": "intraday_drawdown/main"}
    assert x.value("risk_intraday_drawdown_ratio", **intraday) == pytest.approx(0.25)
    assert x.value("risk_snapshot_timestamp_seconds", **main) == reported.timestamp()
    assert x.value("risk_market_timestamp_seconds", **main) == reported.timestamp()
    assert x.value("risk_snapshot_age_seconds", **main, risk_id="data_stale/main") == 7200
    assert x.value("risk_snapshots_total", **main) == 0
    assert x.value("risk_exporter_state_unsaved_seconds", **main) == 0
    # What it owns is not known.
    shown = {name for name, _ in x.samples}
    assert not [name for name in shown if "position" in name or "exposure" in name]
    assert shown.isdisjoint({"risk_cash", "risk_var_limit_usage_ratio", "risk_var_covered_ratio"})


def test_the_first_snapshot_after_a_restart_takes_the_place_of_what_was_remembered(
    new_exporter: Callable[[], RiskExporter], book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    first.close()
    clock.advance(hours=2)
    second = new_exporter()
    second.observe(book(99_000, holding()))
    x = scrape(second)
    assert x.value("risk_equity", account="main") == 99_000
    age = {"account": "main", "risk_id": "data_stale/main"}
    assert x.value("risk_snapshot_age_seconds", **age) == 0
    assert len(x.labels("risk_position_size_ratio")) == 1


def test_what_was_taken_by_a_clock_that_ran_ahead_is_not_younger_than_the_restart(
    new_exporter: Callable[[], RiskExporter], book: Any, clock: Any, scrape: Any
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    first.close()
    clock.advance(days=-3)
    second = new_exporter()
    clock.advance(seconds=60)
    age = {"account": "main", "risk_id": "data_stale/main"}
    assert scrape(second).value("risk_snapshot_age_seconds", **age) == 60


def test_the_series_of_a_closed_position_disappear(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(100_000, holding("AAPL", sector="tech"), holding("WTI", sector="oil")))
    clock.advance(seconds=1)
    exporter.observe(book(100_000, holding("AAPL", sector="tech"), holding("WTI", quantity=0)))
    x = scrape(exporter)
    assert not [key for key in x.samples if "WTI" in str(key) or "oil" in str(key)]
    clock.advance(seconds=1)
    exporter.observe(book(100_000))
    x = scrape(exporter)
    assert not [key for key in x.samples if "AAPL" in str(key) or "tech" in str(key)]
    assert x.value("risk_positions_open", account="main") == 0
    gross = {"account": "main", "risk_id": "gross_exposure/main"}
    assert x.value("risk_exposure_gross_ratio", **gross) == 0


def test_accounts_are_kept_apart(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(100_000, holding("AAPL"), account="one"))
    exporter.observe(book(50_000, holding("AAPL"), account="two", currency="EUR"))
    clock.advance(days=1)
    exporter.observe(book(60_000, account="two", currency="EUR"))
    x = scrape(exporter)
    assert x.value("risk_equity", account="one") == 100_000
    assert x.value("risk_equity_peak", account="two") == 60_000
    assert x.labels("risk_position_notional") == [
        {"account": "one", "symbol": "AAPL", "sector": "unknown"}
    ]
    assert x.value("risk_snapshots_total", account="two") == 2


def test_the_age_is_counted_at_the_scrape_and_not_at_the_snapshot(
    exporter: RiskExporter, book: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(taken_at=clock.now - timedelta(seconds=2)))
    clock.advance(seconds=5)
    age = {"account": "main", "risk_id": "data_stale/main"}
    assert scrape(exporter).value("risk_snapshot_age_seconds", **age) == 7
    clock.advance(seconds=60)
    assert scrape(exporter).value("risk_snapshot_age_seconds", **age) == 67


def test_a_runtime_whose_clock_runs_ahead_does_not_look_fresher_than_it_is(
    exporter: RiskExporter, book: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book(taken_at=clock.now + timedelta(seconds=9)))
    clock.advance(seconds=30)
    age = {"account": "main", "risk_id": "data_stale/main"}
    assert scrape(exporter).value("risk_snapshot_age_seconds", **age) == 30


def test_the_policy_it_runs_on_is_exported(
    exporter: RiskExporter, policy: Policy, scrape: Any
) -> None:
    info = {"component": "exporter", "digest": policy.digest}
    assert scrape(exporter).value("risk_policy_info", **info) == 1


def test_seeded_closes_give_value_at_risk_at_the_first_snapshot(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, policy: Policy
) -> None:
    days = [(clock.now - timedelta(days=100 - n)).date().isoformat() for n in range(100)]
    closes = {day: 100.0 - 10 * (n % 2) for n, day in enumerate(days)}
    exporter.seed_closes("main", {"AAPL": closes})
    x = exporter.observe(book(2_000, holding()))
    assert x.var_sample_count == 99
    assert x.var_ratio == pytest.approx(0.05)  # 10 % of 1,000, of 2,000
    assert x.var_limit_usage_ratio == pytest.approx(100 / policy.alerting.limits.var_max_pct * 0.05)


def test_a_symbol_without_closes_does_not_silence_the_value_at_risk_of_the_others(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    days = [(clock.now - timedelta(days=100 - n)).date().isoformat() for n in range(100)]
    closes = {day: 100.0 - 10 * (n % 2) for n, day in enumerate(days)}
    exporter.seed_closes("main", {"AAPL": closes, "YOUNG": dict(list(closes.items())[-5:])})
    exporter.observe(book(2_000, holding()))
    before = scrape(exporter)
    clock.advance(seconds=1)
    fresh = [holding("LISTED-TODAY", quantity=-5), holding("YOUNG", quantity=5)]
    exporter.observe(book(2_000, holding(), *fresh))
    after = scrape(exporter)
    main = {"account": "main"}
    assert before.value("risk_var_covered_ratio", **main) == 1
    assert before.value("risk_var_uncovered_positions", **main) == 0
    usage = before.value("risk_var_limit_usage_ratio", **main, risk_id="var/main")
    assert usage > 0
    assert after.value("risk_var_limit_usage_ratio", **main, risk_id="var/main") == usage
    assert after.value("risk_var_sample_count", **main) == 99
    assert after.value("risk_var_covered_ratio", **main) == 0.5
    assert after.value("risk_var_uncovered_positions", **main) == 2
    clock.advance(seconds=1)
    exporter.observe(book(2_000, *fresh))
    none = scrape(exporter)
    assert math.isnan(none.value("risk_var_limit_usage_ratio", **main, risk_id="var/main"))
    assert none.value("risk_var_covered_ratio", **main) == 0


def test_closes_that_are_no_prices_are_refused(exporter: RiskExporter) -> None:
    with pytest.raises(HistoryError, match="positive price"):
        exporter.seed_closes("main", {"AAPL": {"2026-01-02": 0.0}})


def test_the_marks_of_a_finished_day_become_its_closes(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, policy: Policy
) -> None:
    samples = policy.alerting.measures.var_min_samples
    for number in range(samples + 1):
        exporter.observe(book(100_000, holding(mark=1.0)))  # an early mark, not the close
        clock.advance(hours=1)
        x = exporter.observe(book(100_000, holding(mark=100 + number)))
        assert x.var_sample_count == max(number - 1, 0)
        clock.advance(hours=23)
    x = exporter.observe(book(100_000, holding(mark=1.0)))
    assert x.var_sample_count == samples
    assert x.var_ratio == 0  # the closes only ever rose; the early marks did not count


def test_names_that_need_escaping_arrive_as_they_are(
    exporter: RiskExporter, book: Any, holding: Any, scrape: Any
) -> None:
    sector = 'oil \\ "gas" – Öl'
    exporter.observe(book(100_000, holding(sector=sector)))
    (labels,) = scrape(exporter).labels("risk_sector_concentration_ratio")
    assert labels["sector"] == sector


def test_the_figures_are_valid_openmetrics_too(
    exporter: RiskExporter, full: Any, clock: Any
) -> None:
    exporter.observe(full())
    clock.advance(seconds=1)
    exporter.observe(full())
    exporter.count_blocked("main", "gate")
    registry = CollectorRegistry()
    registry.register(exporter)
    # The library leaves both of these without types.
    text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    names = {sample.name for family in families for sample in family.samples}
    assert names == set(OURS) - {"risk_high_water_mark_reset_timestamp_seconds"}, "nobody reset it"


def test_a_registry_notices_a_second_exporter(
    exporter: RiskExporter, policy: Policy, tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    registry.register(exporter)
    with RiskExporter(policy, tmp_path / "other") as other, pytest.raises(ValueError):
        registry.register(other)


def test_threads_may_observe_and_scrape_at_the_same_time(
    exporter: RiskExporter, book: Any, holding: Any
) -> None:
    registry = CollectorRegistry()
    registry.register(exporter)
    rounds = 40

    def observe(account: str) -> None:
        for number in range(rounds):
            symbols = [holding(f"S{n}") for n in range(number % 7)]
            exporter.observe(book(1_000.0 + number, *symbols, account=account))

    def scrape(whoever: str) -> None:
        del whoever
        for _ in range(rounds):
            text = generate_latest(registry).decode()
            for account in ("one", "two"):
                own = f'account="{account}"'
                open_now = re.search(rf"risk_positions_open{{{own}}} (\S+)", text)
                shown = len(re.findall(rf"risk_position_notional{{{own},", text))
                assert open_now is None or float(open_now[1]) == shown

    with ThreadPoolExecutor() as pool:
        work = [(observe, "one"), (observe, "two"), (observe, "one"), (scrape, "")]
        for future in [pool.submit(job, argument) for job, argument in work]:
            future.result(timeout=30)
    last = generate_latest(registry).decode()
    assert f'risk_snapshots_total{{account="one"}} {2 * rounds}.0' in last
    assert f'risk_equity_peak{{account="two"}} {999 + rounds}.0' in last


def test_a_refused_snapshot_is_said_with_its_reason_and_without_a_trace(
    exporter: RiskExporter, book: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    late = book()
    clock.advance(seconds=1)
    exporter.observe(book())
    with pytest.raises(SnapshotRefusedError):
        exporter.observe(late)
    assert "snapshot refused (taken_at_backwards): taken_at: " in caplog.text
    assert "Traceback" not in caplog.text


def test_refused_orders_are_counted_by_account_and_limit(
    exporter: RiskExporter, scrape: Any
) -> None:
    for account, limit in (("b", "gate"), ("a", "edge"), ("b", "gate"), ("b", "edge")):
        exporter.count_blocked(account, limit)
    exporter.count_blocked("a", "stop", by=0)
    x = scrape(exporter)
    name = "risk_trades_blocked_total"
    assert x.value(name, account="a", limit="stop") == 0
    assert x.value(name, account="a", limit="edge") == 1
    assert x.value(name, account="b", limit="gate") == 2
    assert x.value(name, account="b", limit="edge") == 1
