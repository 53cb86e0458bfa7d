"""What a trip covers that nobody asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from risk_policy.contracts.alert import NO_ACCOUNT
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.model.stack import AutomaticScope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.kill.automatic import Automatic

PER_ACCOUNT = Automatic(KillMode.IMMEDIATE, AutomaticScope.ACCOUNT)


def alert(**labels: str) -> Alert:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Alert(
        *(Feed.ALERTS, True, "DRAWDOWN_EMERGENCY", "drawdown/main", "emergency"),
        *(Severity.EMERGENCY, None, "kill_switch", now, None),
        labels=labels,
    )


def test_it_is_everything_unless_the_policy_narrows_it() -> None:
    assert Automatic(KillMode.PAUSE).scope_of(alert(account="main")) == EVERYTHING


def test_it_is_the_account_and_nothing_less() -> None:
    labels = {"account": "main", "strategy": "trend", "venue": "kraken", "symbol": "BTC-EUR"}
    assert PER_ACCOUNT.scope_of(alert(**labels)) == Scope(account="main")


@pytest.mark.parametrize("account", ["", NO_ACCOUNT, "a,b", " a", "a,symbol=b"])
def test_what_names_no_account_that_can_be_told_is_about_everything(account: str) -> None:
    assert PER_ACCOUNT.scope_of(alert(account=account)) == EVERYTHING
    assert PER_ACCOUNT.scope_of(alert()) == EVERYTHING
