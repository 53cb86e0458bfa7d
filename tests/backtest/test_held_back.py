"""What the gate would have held back of a replayed book, and from which row on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from risk_policy import Policy
from risk_policy.vocabulary import Action, Severity
from risk_rules.backtest import Clock, Episode, History
from risk_runtime import Order, Side
from riskwarden.backtest.held_back import held_back

ROWS = 10


def episode(action: Action, began: int, ended: int | None, **more: str) -> Episode:
    return Episode(
        alertname=more.pop("alertname", "SOME_ALERT"),
        limit="some",
        tier=more.pop("tier", "critical"),
        risk_id="some/main",
        severity=Severity.CRITICAL,
        action=action,
        subject={"account": "main", **more},
        began=began,
        ended=ended,
        worst=None,
        escalations=(),
        resolved_milder=None,
    )


def rows(policy: Policy, *told: Episode, resume: float | None = None, **order: object) -> list[int]:
    """The rows on which one order after the other, a row each, is held back."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = tuple(start + timedelta(days=row) for row in range(ROWS))
    history = History("main", times, (1.0,) * ROWS, ())
    usual = {"symbol": "A", "side": Side.BUY, "quantity": 1.0, "price": 1.0, "account": "main"}
    orders = [(Order(**{**usual, **order}),)] * ROWS  # type: ignore[arg-type]
    clock = Clock.of(policy, 86_400.0)
    return [row for row, _ in held_back(policy, clock, history, told, orders, resume)]


def test_an_order_is_held_back_from_the_row_after_its_alert_to_the_one_that_ends_it(
    policy: Policy,
) -> None:
    told = episode(Action.PAUSE_NEW_ENTRIES, 2, 4)
    assert rows(policy, told) == [3, 4]
    assert rows(policy, told, side=Side.SELL, position_quantity=5.0) == []
    assert rows(policy, episode(Action.NOTIFY, 2, 4)) == []


def test_what_the_alert_is_not_about_is_left_alone(policy: Policy) -> None:
    told = episode(Action.BLOCK_TRADE, 2, None, symbol="B")
    assert rows(policy, told) == []
    assert rows(policy, told, symbol="B") == [3, 4, 5, 6, 7, 8, 9]


def test_one_that_waits_for_a_person_goes_on_and_a_trip_ends_the_count(policy: Policy) -> None:
    told = episode(Action.HALT_NEW_TRADES, 2, 4, alertname="INTRADAY_DRAWDOWN_CRITICAL")
    assert rows(policy, told) == [3, 4, 5, 6, 7, 8, 9]
    assert rows(policy, told, resume=86_400.0) == [3, 4, 5]
    assert rows(policy, told, episode(Action.KILL_SWITCH, 5, None)) == [3, 4, 5]


@pytest.mark.parametrize(("tier", "full", "held"), [("warning", 2.0, 0), ("critical", 2.0, 7)])
def test_sizes_are_those_of_the_policy(policy: Policy, tier: str, full: float, held: int) -> None:
    told = episode(Action.REDUCE_SIZE, 2, None, tier=tier)
    assert len(rows(policy, told, full_quantity=full)) == held
