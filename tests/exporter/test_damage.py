"""What is remembered and cannot be read: an error that names it, and never a fresh start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import RiskExporter, StateError
from risk_policy.contracts.snapshot import Snapshot

Make = Callable[[], RiskExporter]


@pytest.fixture
def state_file(state_dir: Path) -> Path:
    return state_dir / "main" / "state.json"


def trade(exporter: RiskExporter, snapshot: Snapshot) -> None:
    """Observe and stop cleanly."""
    exporter.observe(snapshot)
    exporter.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\x00" * 300,
        b'{"schema_version": 1, "account": "main"}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_state_is_an_error_that_names_the_file_and_never_a_fresh_start(
    new_exporter: Make, book: Any, state_file: Path, content: bytes
) -> None:
    trade(new_exporter(), book(100_000))
    state_file.write_bytes(content)
    with pytest.raises(StateError, match="restore it from a backup, or move the folder") as error:
        new_exporter()
    assert str(state_file) in str(error.value)
    assert state_file.read_bytes() == content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("equity_peak", None),
        ("equity_peak", 1.0),  # below the last equity
        ("equity_day_high", 1.0),
        ("equity_day_high", 1e9),  # above the peak
        ("equity_day_high", None),
        ("trading_day", "yesterday"),
        ("account", "other"),
        ("surprise", 1),
    ],
)
def test_a_state_that_makes_no_sense_is_an_error(
    new_exporter: Make, book: Any, state_file: Path, field: str, value: object
) -> None:
    trade(new_exporter(), book(100_000))
    state_file.write_text(json.dumps(json.loads(state_file.read_text()) | {field: value}))
    with pytest.raises(StateError, match=r"state\.json"):
        new_exporter()


def test_a_state_that_vanished_beside_its_closes_is_an_error(
    new_exporter: Make, book: Any, holding: Any, state_file: Path
) -> None:
    trade(new_exporter(), book(100_000, holding()))
    state_file.unlink()
    with pytest.raises(StateError, match="is missing beside other files"):
        new_exporter()


def test_a_state_that_cannot_be_read_is_an_error(
    new_exporter: Make, book: Any, state_file: Path
) -> None:
    trade(new_exporter(), book(100_000))
    state_file.unlink()
    state_file.mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        new_exporter()


def test_damaged_closes_are_an_error_that_says_what_may_be_removed(
    new_exporter: Make, book: Any, holding: Any, state_dir: Path
) -> None:
    trade(new_exporter(), book(100_000, holding()))
    (closes,) = (state_dir / "main").glob("closes-*.json")
    closes.write_text('{"AAPL": -1}')
    with pytest.raises(StateError, match="restore it, or remove it") as error:
        new_exporter()
    assert str(closes) in str(error.value)
    closes.unlink()
    assert new_exporter().observe(book(90_000)).equity_peak == 100_000


def test_a_half_written_file_of_a_crash_is_of_no_account(
    new_exporter: Make, book: Any, state_file: Path
) -> None:
    trade(new_exporter(), book(100_000))
    state_file.with_name("state.json.new").write_text("{")
    assert new_exporter().observe(book(90_000)).equity_peak == 100_000
