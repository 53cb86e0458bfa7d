"""How long a position has been held without a stop, also over a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import RiskExporter

NAME = "risk_position_without_stop_seconds"
Make = Callable[[], RiskExporter]


@pytest.fixture
def bare_seconds(scrape: Any) -> Callable[[RiskExporter], dict[str, float]]:
    """What a scrape shows, by symbol."""

    def read(exporter: RiskExporter) -> dict[str, float]:
        x = scrape(exporter)
        return {labels["symbol"]: x.value(NAME, **labels) for labels in x.labels(NAME)}

    return read


def test_the_time_counts_from_the_first_snapshot_that_showed_it_so(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, bare_seconds: Any
) -> None:
    exporter.observe(book(1e5, holding("A"), holding("B", stop=90), reports_stops=True))
    assert bare_seconds(exporter) == {"A": 0, "B": 0}
    clock.advance(seconds=40)
    exporter.observe(book(1e5, holding("A"), holding("B"), reports_stops=True))
    assert bare_seconds(exporter) == {"A": 40, "B": 0}
    clock.advance(seconds=5)
    exporter.observe(book(1e5, holding("A", stop=1), holding("B"), reports_stops=True))
    assert bare_seconds(exporter) == {"A": 0, "B": 5}


def test_a_position_that_was_closed_begins_anew(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, bare_seconds: Any
) -> None:
    for positions in ([holding("A")], [holding("A", quantity=0)], [holding("A")]):
        clock.advance(seconds=30)
        exporter.observe(book(1e5, *positions, reports_stops=True))
    assert bare_seconds(exporter) == {"A": 0}


def test_a_runtime_that_does_not_tell_its_stops_is_not_without_them(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, bare_seconds: Any
) -> None:
    for _ in range(3):
        clock.advance(hours=1)
        exporter.observe(book(1e5, holding("A"), holding("B", stop=90), holding("C", stop=None)))
        assert bare_seconds(exporter) == {}


@pytest.mark.parametrize("cleanly", [True, False])
def test_the_time_goes_on_over_a_restart(
    new_exporter: Make,
    book: Any,
    holding: Any,
    clock: Any,
    bare_seconds: Any,
    cleanly: bool,
) -> None:
    first = new_exporter()
    first.observe(book(1e5, holding("A"), holding("B", stop=90), reports_stops=True))
    clock.advance(seconds=20)
    first.observe(book(1e5, holding("A"), holding("B"), reports_stops=True))
    if cleanly:
        first.close()
    else:
        first._folder.close()  # as a death does: nothing but the lock is let go
    clock.advance(seconds=30)
    second = new_exporter()
    second.observe(book(1e5, holding("A"), holding("B"), holding("C"), reports_stops=True))
    assert bare_seconds(second) == {"A": 50, "B": 30, "C": 0}


def test_a_clock_that_is_put_back_makes_no_time_negative(
    new_exporter: Make, book: Any, holding: Any, clock: Any, bare_seconds: Any
) -> None:
    first = new_exporter()
    clock.advance(days=2)
    first.observe(book(1e5, holding("A"), reports_stops=True))
    first.close()
    clock.advance(days=-2)
    second = new_exporter()
    second.observe(book(1e5, holding("A"), reports_stops=True))
    clock.advance(seconds=7)
    second.observe(book(1e5, holding("A"), reports_stops=True))
    assert bare_seconds(second) == {"A": 7}


@pytest.mark.parametrize("content", [b"", b"{", b'{"A": "long"}', b'{"a b": 1}'])
def test_a_damaged_file_costs_the_time_so_far_and_nothing_else(
    new_exporter: Make,
    book: Any,
    holding: Any,
    clock: Any,
    state_dir: Path,
    bare_seconds: Any,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    first = new_exporter()
    first.observe(book(1e5, holding("A"), reports_stops=True))
    first.close()
    (state_dir / "main" / "without-stop.json").write_bytes(content)
    clock.advance(seconds=30)
    second = new_exporter()
    assert "times without a stop begin anew" in caplog.text
    second.observe(book(1e5, holding("A"), reports_stops=True))
    clock.advance(seconds=2)
    second.observe(book(1e5, holding("A"), reports_stops=True))
    assert bare_seconds(second) == {"A": 2}


def test_what_cannot_be_stored_is_said_once_and_tried_again(
    exporter: RiskExporter,
    book: Any,
    holding: Any,
    clock: Any,
    state_dir: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter.observe(book(1e5))
    file = state_dir / "main" / "without-stop.json"
    obstacle = file.with_name("without-stop.json.new")
    obstacle.mkdir()
    began = clock.now.timestamp()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            exporter.observe(book(1e5, holding("A"), reports_stops=True))
            clock.advance(seconds=1)
    assert caplog.text.count("is not stored") == 1
    obstacle.rmdir()
    exporter.observe(book(1e5, holding("A"), reports_stops=True))
    assert json.loads(file.read_text()) == {"A": began}


def test_nothing_is_written_while_nothing_changes(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, state_dir: Path
) -> None:
    exporter.observe(book(1e5, holding("A")))
    file = state_dir / "main" / "without-stop.json"
    assert not file.exists()
    exporter.observe(book(1e5, holding("A"), reports_stops=True))
    written = file.stat().st_mtime_ns
    clock.advance(seconds=9)
    exporter.observe(book(1e5, holding("A"), holding("B", stop=1), reports_stops=True))
    assert file.stat().st_mtime_ns == written
