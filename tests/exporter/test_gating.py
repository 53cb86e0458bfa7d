"""What a runtime tells of its gates is shown and kept; nothing follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import RiskExporter
from risk_exporter.__main__ import main
from risk_exporter.memory import AccountFolder
from risk_policy import Policy, default_policy_path
from risk_policy.contracts.gating import ToldGating, TradingEnvironment

OPEN: dict[str, Any] = {
    "mode": "live",
    "enable_live_trading": True,
    "live_mode_armed": True,
    "live_dry_run": False,
    "require_confirm_token": False,
}


@pytest.mark.parametrize(
    ("told", "effective", "ruled_out"),
    [
        (OPEN, "live", 0),
        (OPEN | {"live_dry_run": True}, "live_dry_run", 1),
        (OPEN | {"live_mode_armed": False}, "live_blocked", 1),
        ({"mode": "live"}, "live_unknown", 0),
        ({"mode": "testnet"}, "testnet", 1),
    ],
)
def test_the_gates_are_shown_as_they_were_told(
    exporter: RiskExporter,
    book: Any,
    scrape: Any,
    told: dict[str, Any],
    effective: str,
    ruled_out: int,
) -> None:
    exporter.observe(book(100_000, gating=told))
    x = scrape(exporter)
    mode = {"mode": told["mode"], "effective_mode": effective}
    assert x.value("risk_trading_mode_info", account="main", **mode) == 1
    assert x.value("risk_live_orders_ruled_out", account="main") == ruled_out
    flags = {labels["flag"] for labels in x.labels("risk_gating_flag")}
    assert flags == told.keys() - {"mode"}
    for flag in flags:
        assert x.value("risk_gating_flag", account="main", flag=flag) == told[flag]


def test_no_figure_of_the_account_depends_on_them(
    exporter: RiskExporter, book: Any, holding: Any
) -> None:
    shut = exporter.observe(book(100_000, holding(), gating={"mode": "paper"}))
    opened = exporter.observe(book(100_000, holding(), gating=OPEN))
    assert opened.exposure_gross_ratio == shut.exposure_gross_ratio
    assert opened.drawdown_ratio == shut.drawdown_ratio


def test_a_runtime_that_stops_telling_is_unknown_from_then_on(
    exporter: RiskExporter, book: Any, scrape: Any, state_dir: Path
) -> None:
    exporter.observe(book(100_000, gating={"mode": "paper"}))
    exporter.observe(book(100_000))
    assert not scrape(exporter).labels("risk_trading_mode_info")
    state = AccountFolder(state_dir / "main").load()
    assert state is not None
    assert state.gating is None


def test_after_a_restart_the_last_ones_are_on_disk_and_not_shown_as_current(
    new_exporter: Callable[[], RiskExporter], book: Any, scrape: Any, state_dir: Path
) -> None:
    first = new_exporter()
    first.observe(book(100_000, gating={"mode": "paper"}))
    first.observe(book(100_000, gating=OPEN))
    state = AccountFolder(state_dir / "main").load()  # as whoever looks beside a running exporter
    assert state is not None
    assert state.gating == ToldGating.model_validate(OPEN)
    first.close()
    assert not scrape(new_exporter()).labels("risk_trading_mode_info")


def test_the_sidecars_own_hold_only_where_a_snapshot_tells_none(
    policy: Policy, tmp_path: Path, clock: Any, book: Any, scrape: Any
) -> None:
    paper = ToldGating(mode=TradingEnvironment.PAPER)
    with RiskExporter(policy, tmp_path, clock, gating=paper) as exporter:
        exporter.observe(book(100_000, gating={"mode": "live"}))
        exporter.observe(book(100_000, account="other"))
        shown = {one["account"]: one["mode"] for one in _modes(scrape(exporter))}
        assert shown == {"main": "live", "other": "paper"}


def test_a_sidecar_whose_environment_makes_no_sense_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RISKWARDEN_SNAPSHOT_TOKEN", "a-token")
    monkeypatch.setenv("RISKWARDEN_TRADING_MODE", "production-secret")
    assert main(["--policy", str(default_policy_path()), "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "RISKWARDEN_TRADING_MODE must be one of paper, testnet, live" in said
    assert "production-secret" not in said


def _modes(x: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = x.labels("risk_trading_mode_info")
    return found
