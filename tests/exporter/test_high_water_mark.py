"""Resetting the peak: only of an account that is seen flat, just as recorded, once, for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter import ExporterServer, RiskExporter
from risk_exporter.errors import ResetRefusedError, StateError
from risk_exporter.memory import AccountFolder, AccountState
from risk_policy.contracts.high_water_mark import PATH, Reset, Standing, Wanted, decimal_text
from risk_policy.contracts.snapshot import Snapshot

TOKEN = "a-token-of-the-tests"
Book = Callable[..., Snapshot]


def reset(**more: Any) -> Wanted:
    """The reset that was recorded for an account that fell from 100,000 to 78,000."""
    told = {
        "account": "main", "currency": "USD", "before": "100000.0", "after": "78000.0",
        "id": "reset-1", "audit_seq": 7,
    }  # fmt: skip
    return Wanted(account="main", reset=Reset(**{**told, **more}))


@pytest.fixture
def fallen(exporter: RiskExporter, book: Book, clock: Any) -> RiskExporter:
    """An exporter of a flat account that lost 22 % today."""
    exporter.observe(book(100_000))
    clock.advance(seconds=1)
    exporter.observe(book(78_000))
    return exporter


def test_drawdowns_count_from_the_equity_of_the_reset_and_today_s_loss_stays(
    fallen: RiskExporter, book: Book, clock: Any, scrape: Any
) -> None:
    drawdown = {"account": "main", "risk_id": "drawdown/main"}
    assert scrape(fallen).value("risk_drawdown_ratio", **drawdown) == pytest.approx(0.22)
    assert not scrape(fallen).labels("risk_high_water_mark_reset_timestamp_seconds")
    standing = fallen.high_water_mark(reset())
    assert (standing.high_water_mark, standing.equity) == ("78000.0", "78000.0")
    seen = scrape(fallen)
    assert seen.value("risk_drawdown_ratio", **drawdown) == 0.0
    assert seen.value("risk_equity_peak", account="main") == 78_000
    intraday = {"account": "main", "risk_id": "intraday_drawdown/main"}
    assert seen.value("risk_intraday_drawdown_ratio", **intraday) == pytest.approx(0.22)
    at = seen.value("risk_high_water_mark_reset_timestamp_seconds", account="main")
    assert at == clock.now.timestamp()
    clock.advance(seconds=1)
    assert fallen.observe(book(62_400)).drawdown_ratio == pytest.approx(0.2)
    clock.advance(days=1)
    assert fallen.observe(book(70_200)).drawdown_ratio == pytest.approx(0.1)
    clock.advance(seconds=1)
    fallen.observe(book(90_000))
    clock.advance(seconds=1)
    assert fallen.observe(book(81_000)).drawdown_ratio == pytest.approx(0.1), "a peak as ever"


def test_a_reset_survives_restarts_and_is_carried_out_once(
    fallen: RiskExporter, new_exporter: Callable[[], RiskExporter], book: Book, clock: Any
) -> None:
    fallen.high_water_mark(reset())
    clock.advance(seconds=1)
    fallen.observe(book(80_000))
    fallen.close()
    again = new_exporter()
    repeated = again.high_water_mark(reset())
    assert (repeated.high_water_mark, repeated.reset_id) == ("80000.0", "reset-1")
    clock.advance(seconds=1)
    assert again.observe(book(72_000)).drawdown_ratio == pytest.approx(0.1)


def test_a_note_from_before_the_reset_does_not_take_it_back(
    fallen: RiskExporter,
    new_exporter: Callable[[], RiskExporter],
    book: Book,
    clock: Any,
    state_dir: Path,
) -> None:
    clock.advance(seconds=1)
    fallen.observe(book(78_000))
    note = state_dir / "main" / "latest"
    before = note.read_bytes() if note.exists() else b""
    assert before, "the fall was noted"
    fallen.high_water_mark(reset())
    fallen.close()
    note.write_bytes(before)  # a loss of power brings back what was removed
    standing = new_exporter().high_water_mark(Wanted(account="main"))
    assert standing.high_water_mark == "78000.0"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"before": "100001.0"}, "the mark is 100000.0"),
        ({"after": "77000.0"}, "the equity 78000.0"),
        ({"currency": "EUR"}, "USD now: ask anew"),
    ],
)
def test_what_is_not_as_recorded_is_refused(
    fallen: RiskExporter, other: dict[str, str], words: str
) -> None:
    with pytest.raises(ResetRefusedError, match=words):
        fallen.high_water_mark(reset(**other))
    assert fallen.high_water_mark(Wanted(account="main")).high_water_mark == "100000.0"


def test_an_account_that_may_hold_something_is_refused(
    fallen: RiskExporter,
    new_exporter: Callable[[], RiskExporter],
    book: Book,
    holding: Any,
    clock: Any,
) -> None:
    clock.advance(seconds=1)
    fallen.observe(book(78_000, holding()))
    with pytest.raises(ResetRefusedError, match="positions are open"):
        fallen.high_water_mark(reset())
    clock.advance(seconds=1)
    fallen.observe(book(78_000))
    clock.advance(hours=1)
    with pytest.raises(ResetRefusedError, match="3600 s old"):
        fallen.high_water_mark(reset())
    fallen.close()
    with pytest.raises(ResetRefusedError, match="no snapshot has come"):
        new_exporter().high_water_mark(reset())


def test_a_reset_that_cannot_be_stored_changes_nothing(
    fallen: RiskExporter, book: Book, clock: Any, state_dir: Path
) -> None:
    folder = state_dir / "main"
    parked = folder.rename(state_dir.parent / "parked")
    folder.write_text("in the way")
    with pytest.raises(StateError, match="nothing was changed"):
        fallen.high_water_mark(reset())
    folder.unlink()
    parked.rename(folder)
    clock.advance(seconds=1)
    assert fallen.observe(book(78_000)).drawdown_ratio == pytest.approx(0.22)
    assert fallen.high_water_mark(reset()).high_water_mark == "78000.0"


def test_over_http_it_takes_the_token_and_says_how_the_account_stands(
    fallen: RiskExporter, listen: str, ask: Any
) -> None:
    bearer = f"Bearer {TOKEN}"

    def post(body: Any, token: str = bearer) -> Any:
        return ask("POST", PATH, json.dumps(body).encode(), Authorization=token)

    wanted = reset().model_dump()
    with ExporterServer(fallen, listen=listen):
        assert "mark_token" in post(wanted).json["error"]
    with ExporterServer(fallen, listen=listen, mark_token=TOKEN):
        assert post(wanted, "Bearer other").status == 401
        assert post({"account": "other"}).status == 404
        assert post({"account": "main", "reset": {"all": 1}}).status == 400
        standing = Standing.model_validate(post({"account": "main"}).json)
        assert (standing.equity, standing.obstacle) == ("78000.0", "")
        assert post(reset(after="1.0").model_dump()).status == 409
        assert post(wanted).json["high_water_mark"] == "78000.0"
        assert post(wanted).status == 200
        assert ask("GET", PATH).status == 405


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_amount_is_recorded_exactly(amount: float) -> None:
    text = decimal_text(amount)
    assert float(text) == amount
    assert "e" not in text.lower()


def test_a_state_of_an_account_that_was_never_reset_is_as_older_exporters_know_it(
    fallen: RiskExporter, state_dir: Path
) -> None:
    fallen.close()
    assert "mark_reset" not in (state_dir / "main" / "state.json").read_text()
    folder = AccountFolder(state_dir / "main")
    state = folder.load()
    assert isinstance(state, AccountState)
    assert state.mark_reset is None
