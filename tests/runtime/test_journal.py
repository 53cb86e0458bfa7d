"""The journal: one readable line per event, there at once, never in the way."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from risk_runtime.paper.journal import Day, FlatConfirmed, Journal, OrdersCancelled

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def day(peak: float = 110.0) -> Day:
    return Day(AT, "2008-09-29", 100.0, 40.0, peak, 0.09, -0.02, 0.6, 5, 3, "open")


def test_a_line_is_readable_before_the_journal_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "journal.jsonl"
    with Journal(path) as journal:
        journal.write(day())
        journal.write(FlatConfirmed(AT, "2008-09-29", "kill-1"))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {
            "kind": "day",
            "at": "2026-01-02T03:04:05+00:00",
            "market_date": "2008-09-29",
            "equity": 100.0,
            "cash": 40.0,
            "peak": 110.0,
            "drawdown_ratio": 0.09,
            "daily_pnl_ratio": -0.02,
            "gross_ratio": 0.6,
            "positions_open": 5,
            "orders_working": 3,
            "gate": "open",
        },
        {
            "kind": "flat_confirmed",
            "at": "2026-01-02T03:04:05+00:00",
            "market_date": "2008-09-29",
            "kill_id": "kill-1",
            "scope": "*",
        },
    ]


def test_a_figure_that_is_not_known_is_null_and_never_nan(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.write(day(peak=math.nan))
    assert json.loads((tmp_path / "j").read_text())["peak"] is None


def test_a_journal_is_continued_by_the_next_run(tmp_path: Path) -> None:
    for _ in range(2):
        with Journal(tmp_path / "j") as journal:
            journal.write(OrdersCancelled(AT, "2008-09-29", "kill-1", ("o-1", "o-2"), True))
    lines = (tmp_path / "j").read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["order_ids"] == ["o-1", "o-2"]


def test_a_journal_that_cannot_be_written_complains_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Journal(Path("/dev/full")) as journal:
        journal.write(day())
    assert "journal: cannot write day" in caplog.text
