"""An account that was retired leaves the scrape in the way its runbook says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from risk_exporter import RiskExporter
from risk_policy import Policy
from risk_policy.catalogue import runbooks


def test_an_account_whose_folder_is_moved_away_is_gone_and_comes_back_with_it(
    policy: Policy, book: Any, holding: Any, scrape: Any, tmp_path: Path
) -> None:
    state, aside = tmp_path / "state", tmp_path / "retired"
    with RiskExporter(policy, state) as exporter:
        for account in ("main", "old"):
            exporter.observe(book(10_000, holding("AAPL"), account=account))
    shutil.move(state / "old", aside)
    with RiskExporter(policy, state) as exporter:
        samples = scrape(exporter).samples
        assert {dict(labels).get("account", "main") for _, labels in samples} == {"main"}
    shutil.move(aside, state / "old")
    with RiskExporter(policy, state) as exporter:
        assert scrape(exporter).value("risk_equity_peak", account="old") == 10_000


def test_the_runbook_says_how_and_what_ends_when(policy: Policy) -> None:
    text = runbooks.render(policy, "RISK_DATA_STALE")
    assert "## If the account was retired" in text
    assert "Move the folder named after the account" in text
    assert "**10 min** (`alerting.latch.hold_missing_minutes`)" in text
    assert "retired" not in runbooks.render(policy, "RISK_NO_ACCOUNT")
