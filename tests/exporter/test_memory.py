"""What survives a restart, and what happens when it did not survive intact."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter import Measures, RiskExporter, StateBusyError, StateError
from risk_exporter.memory import AccountState
from risk_policy import Policy
from risk_policy.contracts.snapshot import Snapshot

TOLERANCE = timedelta(seconds=10)
Make = Callable[[], RiskExporter]


@pytest.fixture
def state_file(state_dir: Path) -> Path:
    return state_dir / "main" / "state.json"


def trade(exporter: RiskExporter, snapshot: Snapshot) -> Measures:
    """Observe and stop cleanly."""
    measures = exporter.observe(snapshot)
    exporter.close()
    return measures


def test_the_peak_survives_a_restart(new_exporter: Make, book: Any, clock: Any) -> None:
    trade(new_exporter(), book(100_000))
    clock.advance(days=3)
    x = new_exporter().observe(book(80_000))
    assert x.equity_peak == 100_000
    assert x.drawdown_ratio == pytest.approx(0.2)


def test_the_start_of_the_day_survives_a_restart_within_the_day(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    clock.advance(days=1)
    trade(first, book(97_000))
    clock.advance(minutes=1)
    x = new_exporter().observe(book(96_000))
    assert x.equity_day_start == 100_000
    assert x.daily_pnl_ratio == pytest.approx(-0.04)


def test_a_day_begun_after_a_restart_starts_from_the_last_equity_before(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    clock.advance(hours=1)
    trade(first, book(97_000))
    clock.advance(days=1)
    x = new_exporter().observe(book(95_060))
    assert x.equity_day_start == 97_000
    assert x.daily_pnl_ratio == pytest.approx(-0.02)


def test_the_highest_equity_of_the_day_survives_a_restart_within_the_day(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    first.observe(book(120_000))
    clock.advance(days=1)
    first.observe(book(100_000))
    clock.advance(days=1)
    first.observe(book(104_000))
    trade(first, book(101_000))
    clock.advance(minutes=1)
    x = new_exporter().observe(book(98_800))
    assert (x.equity_day_high, x.equity_day_start, x.equity_peak) == (104_000, 100_000, 120_000)
    assert x.intraday_drawdown_ratio == pytest.approx(0.05)


def test_a_new_day_begins_with_the_equity_of_the_last_one_as_its_highest(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    first.observe(book(110_000))
    clock.advance(hours=1)
    trade(first, book(100_000))
    clock.advance(days=1)
    second = new_exporter()
    x = second.observe(book(97_000))  # lost overnight
    assert (x.equity_day_high, x.intraday_drawdown_ratio) == (100_000, pytest.approx(0.03))
    clock.advance(hours=1)
    assert second.observe(book(102_000)).intraday_drawdown_ratio == 0
    clock.advance(hours=1)
    x = second.observe(book(99_960))
    assert x.intraday_drawdown_ratio == pytest.approx(0.02)


def test_a_state_of_before_the_day_high_was_kept_is_read_with_the_least_it_can_have_been(
    new_exporter: Make, book: Any, clock: Any, state_file: Path
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    trade(first, book(95_000))
    state = json.loads(state_file.read_text())
    del state["equity_day_high"]
    state_file.write_text(json.dumps(state))
    clock.advance(minutes=1)
    x = new_exporter().observe(book(95_000))
    assert x.equity_day_high == 100_000


def test_closes_seen_before_a_restart_count_after_it(
    new_exporter: Make, book: Any, holding: Any, clock: Any, policy: Policy
) -> None:
    exporter = new_exporter()
    for number in range(policy.alerting.measures.var_min_samples + 1):
        price = 100 - 5 * (number % 2)
        exporter.observe(book(100_000, holding(mark=price)))
        clock.advance(days=1)
    exporter.close()
    x = new_exporter().observe(book(100_000, holding(mark=100)))
    assert x.var_sample_count == policy.alerting.measures.var_min_samples
    # Half the days lose 5 % on 1,000, of an equity of 100,000.
    assert x.var_ratio == pytest.approx(0.0005)


# -- the fold --------------------------------------------------------------------------------


@given(steps=st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(-2, 3)), min_size=1, max_size=30))
def test_the_peak_only_rises_and_the_day_never_goes_back(steps: list[tuple[float, int]]) -> None:
    snapshot = Snapshot.model_validate(
        {
            "account": "a",
            "equity": 1000,
            "cash": 0,
            "positions": [],
            "taken_at": "2026-03-02T12:00:00Z",
            "market_time": "2008-09-15T12:00:00Z",
        }
    )
    state = AccountState.first(snapshot)
    for equity, days in steps:
        snapshot = snapshot.model_copy(
            update={"equity": equity, "market_time": snapshot.market_time + timedelta(days=days)}
        )
        before, state = state, state.after(snapshot, TOLERANCE)
        assert state.equity_peak == max(before.equity_peak, equity)
        assert state.trading_day == max(before.trading_day, snapshot.trading_day)
        if snapshot.trading_day > before.trading_day:
            assert state.equity_day_start == before.equity_last
            assert state.equity_day_high == max(before.equity_last, equity)
        else:
            assert state.equity_day_start == before.equity_day_start
            assert state.equity_day_high == max(before.equity_day_high, equity)
        assert max(state.equity_day_start, equity) <= state.equity_day_high <= state.equity_peak
        assert AccountState.model_validate_json(state.model_dump_json()) == state


def test_a_replay_that_repeats_its_last_day_after_a_crash_keeps_the_start_of_that_day(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    monday, tuesday = clock.now - timedelta(days=7), clock.now - timedelta(days=6)
    first.observe(book(100_000, market_time=monday))
    trade(first, book(95_000, market_time=tuesday))
    again = new_exporter()
    clock.advance(seconds=1)
    again.observe(book(100_000, market_time=monday))
    clock.advance(seconds=1)
    x = again.observe(book(95_000, market_time=tuesday))
    assert x.daily_pnl_ratio == pytest.approx(-0.05)


def test_the_marks_of_a_repeated_earlier_day_are_not_taken_for_closes_of_the_latest_day(
    new_exporter: Make, book: Any, holding: Any, clock: Any, state_dir: Path
) -> None:
    first = new_exporter()
    monday, tuesday = clock.now - timedelta(days=7), clock.now - timedelta(days=6)
    first.observe(book(100_000, holding(mark=10), market_time=monday))
    trade(first, book(100_000, holding(mark=20), market_time=tuesday))
    again = new_exporter()
    clock.advance(seconds=1)
    again.observe(book(100_000, holding(mark=10), market_time=monday))
    again.observe(book(100_000, holding(mark=30), market_time=tuesday + timedelta(days=1)))
    closes = json.loads((state_dir / "main" / "closes-2026-02-24.json").read_text())
    assert closes == {"AAPL": 20}


# -- a day that has not come yet ---------------------------------------------------------------


def remember_a_day_ahead(exporter: RiskExporter, book: Any, holding: Any, clock: Any) -> None:
    """As an exporter did whose clock was three days ahead. Ends at today's clock."""
    clock.advance(days=3)
    trade(exporter, book(97_000, holding(mark=55)))
    clock.advance(days=-3)


def test_a_remembered_day_that_has_not_come_yet_gives_way_to_today(
    new_exporter: Make, book: Any, holding: Any, clock: Any, state_file: Path
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    remember_a_day_ahead(first, book, holding, clock)
    assert json.loads(state_file.read_text())["trading_day"] == "2026-03-05"
    second = new_exporter()
    x = second.observe(book(96_000, holding()))
    assert (x.trading_day, x.equity_day_start, x.equity_peak) == ("2026-03-02", 97_000, 100_000)
    clock.advance(days=1)
    x = second.observe(book(94_080, holding()))
    assert (x.trading_day, x.equity_day_start) == ("2026-03-03", 96_000)
    assert x.daily_pnl_ratio == pytest.approx(-0.02)


def test_the_marks_of_a_day_that_has_not_come_yet_never_become_its_closes(
    new_exporter: Make, book: Any, holding: Any, clock: Any, state_dir: Path
) -> None:
    first = new_exporter()
    remember_a_day_ahead(first, book, holding, clock)
    poisoned = state_dir / "main" / "closes-2026-03-05.json"
    assert poisoned.exists()
    new_exporter().observe(book(100_000, holding()))
    assert not poisoned.exists()


def test_an_exporter_that_runs_on_while_its_clock_is_put_right_begins_the_day_anew(
    new_exporter: Make, book: Any, holding: Any, clock: Any, state_dir: Path
) -> None:
    exporter = new_exporter()
    clock.advance(days=3)
    exporter.observe(book(97_000, holding(mark=55)))
    clock.advance(days=-3)
    assert exporter.observe(book(96_000, holding())).trading_day == "2026-03-02"
    clock.advance(days=1)
    assert exporter.observe(book(95_000, holding())).equity_day_start == 96_000
    exporter.close()
    assert not (state_dir / "main" / "closes-2026-03-05.json").exists()


def test_a_replay_that_starts_again_from_the_front_keeps_the_latest_day_it_came_to(
    new_exporter: Make, book: Any, clock: Any
) -> None:
    first = new_exporter()
    front = clock.now - timedelta(days=6000)
    first.observe(book(100_000, market_time=front))
    trade(first, book(95_000, market_time=front + timedelta(days=300)))
    clock.advance(seconds=1)
    x = new_exporter().observe(book(100_000, market_time=front))
    assert (x.trading_day, x.equity_day_start) == ("2010-07-24", 100_000)


# -- the folder ------------------------------------------------------------------------------


def test_one_folder_belongs_to_one_exporter(
    new_exporter: Make, policy: Policy, state_dir: Path
) -> None:
    first = new_exporter()
    with pytest.raises(StateBusyError, match="in use by another exporter"):
        RiskExporter(policy, state_dir)
    first.close()
    new_exporter()


def test_a_folder_that_cannot_be_made_is_named(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/state"):
        RiskExporter(policy, tmp_path / "file" / "state")


def test_a_closed_exporter_takes_nothing_in(new_exporter: Make, book: Any) -> None:
    exporter = new_exporter()
    exporter.close()
    with pytest.raises(StateError, match="make a new one"):
        exporter.observe(book())


def test_figures_go_out_while_the_disk_refuses_and_the_state_is_stored_once_it_does_not(
    new_exporter: Make, book: Any, clock: Any, state_file: Path, scrape: Any
) -> None:
    exporter = new_exporter()
    exporter.observe(book(100_000))
    obstacle = state_file.with_name("state.json.new")
    obstacle.mkdir()
    clock.advance(seconds=1)
    exporter.observe(book(150_000))
    x = scrape(exporter)
    assert x.value("risk_equity_peak", account="main") == 150_000
    assert str(state_file.parent) in exporter.failures[0]
    obstacle.rmdir()
    clock.advance(seconds=1)
    exporter.observe(book(120_000))
    assert exporter.failures == ()
    assert json.loads(state_file.read_text())["equity_peak"] == 150_000


def test_only_the_closes_within_the_window_are_kept(
    book: Any, holding: Any, clock: Any, state_dir: Path
) -> None:
    policy = Policy.model_validate(
        {"alerting": {"measures": {"var_window_days": 20, "var_min_samples": 5}}}
    )
    with RiskExporter(policy, state_dir, clock) as exporter:
        for number in range(40):
            clock.advance(days=1)
            x = exporter.observe(book(100_000, holding(mark=100 + number)))
    assert x.var_sample_count == 20
    days = sorted(path.name for path in (state_dir / "main").glob("closes-*.json"))
    assert len(days) == 22  # 20 returns need 21 closes; and today, which is no close yet
    assert days[-1] == f"closes-{clock.now.date()}.json"
