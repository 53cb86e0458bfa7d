"""Every trading day that is over stays on record, with the value at risk that it ended with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import RiskExporter, StateError
from risk_exporter.days import DAYS_FILE, read_days

Make = Callable[[], RiskExporter]
#: Sixty returns and more, so that value at risk has a figure.
CLOSES = {"AAPL": {f"2025-{1 + n // 28:02}-{1 + n % 28:02}": 100.0 + n % 7 for n in range(80)}}


@pytest.fixture
def folder(state_dir: Path) -> Path:
    return state_dir / "main"


def test_a_day_is_on_record_once_the_next_one_has_begun(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, folder: Path
) -> None:
    exporter.seed_closes("main", CLOSES)
    exporter.observe(book(100_000, holding(quantity=100.0)))
    clock.advance(hours=5)
    last = exporter.observe(book(98_000, holding(quantity=50.0)))
    assert read_days(folder) == []
    clock.advance(days=1)
    exporter.observe(book(97_000))
    (day,) = read_days(folder)
    assert (day.day, day.equity, day.currency) == ("2026-03-02", 98_000, "USD")
    assert day.forecast is not None
    assert day.forecast.var_ratio == last.var_ratio > 0
    assert day.forecast.sample_count == last.var_sample_count == 79
    assert (day.forecast.confidence_pct, day.forecast.horizon_days) == (95, 1)
    assert (day.forecast.covered_ratio, day.forecast.positions_open) == (1, 1)
    clock.advance(days=1)
    exporter.observe(book(96_000))
    first, flat = read_days(folder)
    assert first == day
    assert flat.forecast is not None
    assert (flat.forecast.var_ratio, flat.forecast.positions_open) == (0, 0)


def test_a_day_without_a_figure_is_on_record_without_one(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, folder: Path
) -> None:
    exporter.observe(book(100_000, holding()))
    clock.advance(days=1)
    exporter.observe(book(100_000))
    (day,) = read_days(folder)
    assert day.forecast is None


def test_what_a_day_ended_with_survives_the_death_of_the_exporter(
    new_exporter: Make, book: Any, holding: Any, clock: Any, folder: Path
) -> None:
    first = new_exporter()
    first.seed_closes("main", CLOSES)
    figures = first.observe(book(100_000, holding(quantity=100.0)))
    first.close()
    clock.advance(days=1)
    new_exporter().observe(book(90_000))
    (day,) = read_days(folder)
    assert day.forecast is not None
    assert day.forecast.var_ratio == figures.var_ratio > 0


def test_a_day_that_could_not_be_written_is_written_as_soon_as_it_can(
    exporter: RiskExporter, book: Any, clock: Any, folder: Path
) -> None:
    exporter.observe(book(100_000))
    (folder / DAYS_FILE).mkdir()
    clock.advance(days=1)
    exporter.observe(book(99_000))
    assert exporter.failures
    (folder / DAYS_FILE).rmdir()
    clock.advance(days=1)
    exporter.observe(book(98_000))
    assert not exporter.failures
    assert [(one.day, one.equity) for one in read_days(folder)] == [
        ("2026-03-02", 100_000),
        ("2026-03-03", 99_000),
    ]


def test_half_a_line_is_no_day_and_does_not_spoil_the_next(
    new_exporter: Make, book: Any, clock: Any, folder: Path
) -> None:
    first = new_exporter()
    first.observe(book(100_000))
    first.close()
    (folder / DAYS_FILE).write_bytes(b'{"day":"2026-03-01","curr')
    assert read_days(folder) == []
    clock.advance(days=1)
    new_exporter().observe(book(99_000))
    assert [one.day for one in read_days(folder)] == ["2026-03-02"]


def test_a_day_that_is_told_again_counts_as_told_last(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = [
        {"day": day, "currency": "USD", "equity": equity}
        for day, equity in (
            ("2026-03-02", 1.0),
            ("2026-03-09", 2.0),
            ("2026-03-03", 3.0),
            ("2026-03-03", 4.0),
        )
    ]
    (folder / DAYS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [(one.day, one.equity) for one in read_days(folder)] == [
        ("2026-03-02", 1.0),
        ("2026-03-03", 4.0),
    ]


def test_a_line_that_is_no_day_is_named(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / DAYS_FILE).write_text('{"day":"2026-03-02","currency":"USD","equity":1}\nnonsense\n')
    with pytest.raises(StateError, match=r"days\.jsonl, line 2 is no trading day"):
        read_days(folder)
