"""Which snapshots are taken in: never older than what is known, never from the future."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from risk_exporter import Refusal, RiskExporter, SnapshotRefusedError
from risk_policy import Policy


def refused(exporter: RiskExporter, snapshot: Any) -> SnapshotRefusedError:
    with pytest.raises(SnapshotRefusedError) as error:
        exporter.observe(snapshot)
    return error.value


def test_a_snapshot_taken_before_the_latest_is_refused_and_changes_nothing(
    exporter: RiskExporter, book: Any, clock: Any, scrape: Any
) -> None:
    late = book(999_999)
    clock.advance(seconds=1)
    exporter.observe(book(100_000))
    error = refused(exporter, late)
    assert (error.reason, error.path) == (Refusal.TAKEN_AT_BACKWARDS, "taken_at")
    assert "send snapshots in order" in str(error)
    x = scrape(exporter)
    assert x.value("risk_equity_peak", account="main") == 100_000
    assert x.value("risk_snapshots_total", account="main") == 1
    assert x.value("risk_snapshots_rejected_total", reason="taken_at_backwards") == 1


def test_market_time_does_not_go_back_while_the_exporter_runs(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    exporter.observe(book())
    clock.advance(seconds=1)
    error = refused(exporter, book(market_time=clock.now - timedelta(days=1)))
    assert (error.reason, error.path) == (Refusal.MARKET_TIME_BACKWARDS, "market_time")


def test_a_repeated_snapshot_is_taken_in_again_and_changes_no_figure(
    exporter: RiskExporter, book: Any, holding: Any
) -> None:
    snapshot = book(100_000, holding())
    first, again = exporter.observe(snapshot), exporter.observe(snapshot)
    assert again.equity_peak == first.equity_peak
    assert again.daily_pnl_ratio == first.daily_pnl_ratio
    assert again.position_size_ratio.tolist() == first.position_size_ratio.tolist()


def test_another_snapshot_of_the_same_instant_replaces_the_first_but_not_the_peak(
    exporter: RiskExporter, book: Any
) -> None:
    exporter.observe(book(100_000))
    x = exporter.observe(book(90_000))
    assert x.equity == 90_000
    assert x.equity_peak == 100_000


def test_the_replay_of_a_closed_market_keeps_its_market_time(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    market_time = clock.now
    exporter.observe(book(market_time=market_time))
    clock.advance(hours=40)
    x = exporter.observe(book(99_000, market_time=market_time))
    assert x.trading_day == "2026-03-02"


def test_a_late_snapshot_is_refused_also_after_a_restart(
    new_exporter: Callable[[], RiskExporter], book: Any, clock: Any
) -> None:
    late = book()
    clock.advance(seconds=1)
    first = new_exporter()
    first.observe(book())
    first.close()
    assert refused(new_exporter(), late).reason is Refusal.TAKEN_AT_BACKWARDS


def test_clocks_may_differ_a_little_but_nothing_comes_from_the_future(
    exporter: RiskExporter, book: Any, clock: Any, policy: Policy
) -> None:
    ahead = timedelta(seconds=policy.alerting.system.snapshot_stale_seconds)
    error = refused(exporter, book(taken_at=clock.now + ahead + timedelta(seconds=1)))
    assert (error.reason, error.path) == (Refusal.FROM_THE_FUTURE, "taken_at")
    exporter.observe(book(taken_at=clock.now + ahead))


def test_a_clock_that_was_put_back_by_a_day_does_not_shut_the_account_out(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    exporter.observe(book())
    clock.advance(days=-1)
    x = exporter.observe(book(99_000))
    assert (x.equity, x.trading_day) == (99_000, "2026-03-01")


def test_no_market_time_lies_after_the_time_at_which_its_snapshot_was_taken(
    exporter: RiskExporter, book: Any, clock: Any, policy: Policy, scrape: Any
) -> None:
    ahead = timedelta(seconds=policy.alerting.system.snapshot_stale_seconds)
    exporter.observe(book(100_000))
    wrong = clock.now + ahead + timedelta(seconds=1)
    error = refused(exporter, book(50_000, market_time=wrong))
    assert (error.reason, error.path) == (Refusal.FROM_THE_FUTURE, "market_time")
    assert wrong.isoformat() in str(error)
    assert "send the time of the latest price, or leave market_time out" in str(error)
    assert scrape(exporter).value("risk_equity", account="main") == 100_000
    exporter.observe(book(market_time=clock.now + ahead))


def test_a_replay_may_lie_as_far_back_as_it_likes(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    x = exporter.observe(book(market_time=clock.now - timedelta(days=365 * 20)))
    assert x.trading_day == "2006-03-07"


def test_an_account_does_not_change_its_currency(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    exporter.observe(book(currency="USD"))
    clock.advance(seconds=1)
    error = refused(exporter, book(currency="JPY"))
    assert (error.reason, error.path) == (Refusal.CURRENCY_CHANGED, "currency")


def test_amounts_beyond_all_numbers_are_refused_and_not_measured(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, scrape: Any
) -> None:
    exporter.observe(book())
    clock.advance(days=1)
    error = refused(exporter, book(5.0, holding(quantity=1e300, mark=1e300)))
    assert (error.reason, error.path) == (Refusal.OVERFLOW, "positions")
    assert scrape(exporter).value("risk_equity", account="main") == 100_000
    assert exporter.observe(book(99_000)).daily_pnl_ratio == pytest.approx(-0.01)


def test_one_account_does_not_hold_back_another(
    exporter: RiskExporter, book: Any, clock: Any
) -> None:
    early = book(account="second")
    clock.advance(seconds=5)
    exporter.observe(book(account="first"))
    assert exporter.observe(early).account == "second"
