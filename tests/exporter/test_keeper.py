"""What is on disk at which moment, and what a crash of the process or of the machine leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk_exporter import RiskExporter, StateError
from risk_exporter.days import read_days
from risk_policy import Policy

Make = Callable[[], RiskExporter]


@pytest.fixture
def state_file(state_dir: Path) -> Path:
    return state_dir / "main" / "state.json"


@pytest.fixture
def latest_file(state_dir: Path) -> Path:
    return state_dir / "main" / "latest"


@pytest.fixture
def after_death(
    state_dir: Path, tmp_path: Path, policy: Policy, clock: Any
) -> Callable[..., RiskExporter]:
    """An exporter over what the disk holds at this moment, while the first one still runs."""

    def start() -> RiskExporter:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(state_dir, copy)
        return RiskExporter(policy, copy, clock)

    return start


def durable_equity(state_file: Path) -> float:
    return float(json.loads(state_file.read_text())["equity_last"])


# -- the process dies ------------------------------------------------------------------------


@given(
    moves=st.lists(st.tuples(st.floats(-0.2, 0.2), st.sampled_from([0, 1, 60, 90_000])), max_size=8)
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whenever_the_process_dies_the_next_day_starts_from_the_equity_it_saw_last(
    policy: Policy,
    book: Any,
    clock: Any,
    state_dir: Path,
    after_death: Any,
    moves: list[tuple[float, int]],
) -> None:
    shutil.rmtree(state_dir, ignore_errors=True)
    equity = peak = high = 100_000.0
    ended: dict[str, float] = {}
    with RiskExporter(policy, state_dir, clock) as exporter:
        exporter.observe(book(equity))
        for move, seconds in moves:
            day, before = clock.now.date(), equity
            clock.advance(seconds=seconds)
            if clock.now.date() != day:
                ended[day.isoformat()] = equity
            equity *= 1 + move
            peak = max(peak, equity)
            high = max(high if clock.now.date() == day else before, equity)
            exporter.observe(book(equity))
        with after_death() as survivor:
            assert survivor.observe(book(equity)).equity_day_high == high
        ended[clock.now.date().isoformat()] = equity
        clock.advance(days=1)
        with after_death() as survivor:
            x = survivor.observe(book(equity))
            days = read_days(state_dir.parent / "copy" / "main")
    assert {one.day: one.equity for one in days} == ended
    assert (x.equity_day_start, x.daily_pnl_ratio, x.equity_peak) == (equity, 0, peak)


def test_a_correction_of_the_same_instant_outlives_the_process_too(
    exporter: RiskExporter, book: Any, clock: Any, after_death: Any
) -> None:
    exporter.observe(book(100_000))
    exporter.observe(book(99_500))
    clock.advance(days=1)
    with after_death() as survivor:
        assert survivor.observe(book(99_500)).equity_day_start == 99_500


# -- the machine dies, and what did not wait for the disk is lost ------------------------------


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 4096, b"00000000 {}", b"half"])
def test_without_a_whole_note_it_goes_on_from_the_state(
    exporter: RiskExporter,
    book: Any,
    clock: Any,
    after_death: Any,
    latest_file: Path,
    content: bytes | None,
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(99_500))
    if content is None:
        latest_file.unlink()
    else:
        latest_file.write_bytes(content)
    clock.advance(days=1)
    with after_death() as survivor:
        x = survivor.observe(book(99_500))
    assert (x.equity_day_start, x.equity_peak) == (100_000, 100_000)


def test_a_note_cut_off_in_its_middle_is_not_believed(
    exporter: RiskExporter, book: Any, clock: Any, after_death: Any, latest_file: Path
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(99_500))
    latest_file.write_bytes(latest_file.read_bytes().replace(b"99500", b"19500"))
    clock.advance(days=1)
    with after_death() as survivor:
        assert survivor.observe(book(99_500)).equity_day_start == 100_000


def test_a_note_that_would_lower_the_peak_of_a_restored_state_is_not_believed(
    exporter: RiskExporter, book: Any, clock: Any, after_death: Any, state_file: Path
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(99_500))
    restored = json.loads(state_file.read_text()) | {"equity_peak": 150_000}
    state_file.write_text(json.dumps(restored))
    clock.advance(seconds=1)
    with after_death() as survivor:
        assert survivor.observe(book(99_500)).equity_peak == 150_000


def test_a_note_that_would_lower_the_highest_equity_of_the_day_is_not_believed(
    exporter: RiskExporter, book: Any, clock: Any, after_death: Any, state_file: Path
) -> None:
    exporter.observe(book(160_000))
    exporter.observe(book(100_000))
    clock.advance(days=1)
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(99_500))
    restored = json.loads(state_file.read_text()) | {"equity_day_high": 120_000}
    state_file.write_text(json.dumps(restored))
    clock.advance(seconds=1)
    with after_death() as survivor:
        assert survivor.observe(book(99_500)).equity_day_high == 120_000


def test_a_note_without_its_state_is_an_error_and_not_a_fresh_start(
    exporter: RiskExporter, book: Any, clock: Any, after_death: Any, state_file: Path
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(99_500))
    state_file.unlink()
    for closes in state_file.parent.glob("closes-*.json"):
        closes.unlink()
    with pytest.raises(StateError, match="is missing beside other files of the account"):
        after_death()


def test_what_is_durable_is_never_older_than_what_counts_as_stale(
    exporter: RiskExporter, book: Any, clock: Any, state_file: Path, policy: Policy
) -> None:
    exporter.observe(book(100_000))
    written = state_file.stat().st_mtime_ns
    clock.advance(seconds=1)
    exporter.observe(book(99_000))
    assert state_file.stat().st_mtime_ns == written  # neither a peak, nor a day, nor a large move
    clock.advance(seconds=policy.alerting.system.snapshot_stale_seconds)
    exporter.observe(book(98_900))
    assert durable_equity(state_file) == 98_900


def test_a_move_that_would_be_a_daily_loss_to_warn_of_is_durable_at_once(
    exporter: RiskExporter, book: Any, clock: Any, state_file: Path, policy: Policy
) -> None:
    step = policy.alerting.thresholds.portfolio.daily_loss_warning_pct / 100 * 100_000
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(100_000 - step + 1))
    assert durable_equity(state_file) == 100_000
    exporter.observe(book(100_000 - step))
    assert durable_equity(state_file) == 100_000 - step


def test_what_was_stored_on_a_clean_stop_is_what_may_be_edited(
    new_exporter: Make, book: Any, clock: Any, state_file: Path, latest_file: Path
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    clock.advance(seconds=1)
    first.observe(book(99_500))
    assert latest_file.exists()
    first.close()
    assert not latest_file.exists()
    assert durable_equity(state_file) == 99_500


# -- the disk refuses ------------------------------------------------------------------------

UNSAVED = "risk_exporter_state_unsaved_seconds"


def test_the_age_of_what_should_be_on_disk_and_is_not_is_a_figure(
    exporter: RiskExporter, book: Any, clock: Any, state_file: Path, scrape: Any
) -> None:
    exporter.observe(book(100_000))
    clock.advance(seconds=5)
    assert scrape(exporter).value(UNSAVED, account="main") == 0
    obstacle = state_file.with_name("state.json.new")
    obstacle.mkdir()
    exporter.observe(book(150_000))
    clock.advance(seconds=7)
    exporter.observe(book(151_000))
    assert scrape(exporter).value(UNSAVED, account="main") == 7
    clock.advance(seconds=100)  # no snapshot is needed for it to rise
    assert scrape(exporter).value(UNSAVED, account="main") == 107
    obstacle.rmdir()
    exporter.observe(book(150_500))
    assert scrape(exporter).value(UNSAVED, account="main") == 0


def test_a_first_state_that_cannot_be_stored_is_a_figure_too(
    exporter: RiskExporter, book: Any, clock: Any, state_dir: Path, scrape: Any
) -> None:
    obstacle = state_dir / "main" / "state.json.new"
    obstacle.mkdir(parents=True)
    exporter.observe(book(100_000))
    clock.advance(seconds=3)
    assert scrape(exporter).value(UNSAVED, account="main") == 3
    assert not (state_dir / "main" / "latest").exists()  # it would stand without its state
    obstacle.rmdir()
    exporter.observe(book(100_000))
    assert scrape(exporter).value(UNSAVED, account="main") == 0


def test_a_note_that_cannot_be_written_makes_the_state_durable_instead(
    exporter: RiskExporter,
    book: Any,
    clock: Any,
    state_file: Path,
    latest_file: Path,
    scrape: Any,
) -> None:
    exporter.observe(book(100_000))
    latest_file.mkdir()
    clock.advance(seconds=1)
    exporter.observe(book(99_900))
    assert str(latest_file.parent) in exporter.failures[0]
    latest_file.rmdir()
    clock.advance(seconds=1)
    exporter.observe(book(99_800))
    assert exporter.failures == ()
    assert durable_equity(state_file) == 99_800


def test_while_files_cannot_be_replaced_the_death_of_the_process_still_forgets_nothing(
    exporter: RiskExporter, book: Any, clock: Any, state_file: Path, after_death: Any
) -> None:
    exporter.observe(book(100_000))
    obstacle = state_file.with_name("state.json.new")
    obstacle.mkdir()
    clock.advance(seconds=1)
    exporter.observe(book(150_000))
    clock.advance(seconds=1)
    with after_death() as survivor:
        assert survivor.observe(book(120_000)).equity_peak == 150_000
    obstacle.rmdir()
