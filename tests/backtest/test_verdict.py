"""What the alerts would have meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from risk_policy import Policy
from risk_policy.vocabulary import Action, KillMode, Severity
from risk_rules.backtest import BacktestError, Clock, Episode, History, judge
from risk_rules.backtest.verdict import Verdict, curve_of

DAY = 86_400.0


def history(*equity: float, step: float = DAY) -> History:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = tuple(start + timedelta(seconds=row * step) for row in range(len(equity)))
    return History("main", times, equity, (), "h.csv")


def episode(action: Action, began: int, ended: int | None, milder: bool | None = None) -> Episode:
    return Episode(
        alertname=action.name, limit="drawdown", tier="warning", risk_id="drawdown/main",
        severity=Severity.WARNING, action=action, subject={}, began=began, ended=ended,
        worst=None, escalations=(), resolved_milder=milder,
    )  # fmt: skip


def verdict(policy: Policy, past: History, *told: Episode) -> Verdict:
    return judge(policy, Clock.of(policy, past.spacing_seconds), past, told)


def with_mode(policy: Policy, mode: KillMode) -> Policy:
    switch = policy.alerting.kill_switch.model_copy(update={"mode": mode})
    alerting = policy.alerting.model_copy(update={"kill_switch": switch})
    return policy.model_copy(update={"alerting": alerting})


KILLED = episode(Action.KILL_SWITCH, 2, 4)


def test_with_the_kill_switch_the_account_is_flat_from_its_row_on(policy: Policy) -> None:
    found = verdict(policy, history(100, 110, 88, 66, 132), KILLED)
    assert found.trip is not None
    assert (found.trip.row, found.trip.flat_row) == (2, 2)
    assert found.curve.profit_ratio == pytest.approx(0.32)
    assert found.curve.worst_drawdown == pytest.approx(0.4)
    assert found.curve_with is not None
    assert found.curve_with.equity == (100, 110, 88, 88, 88)
    assert found.curve_with.worst_drawdown == pytest.approx(0.2)


def test_a_graceful_kill_is_flat_after_its_timeout_and_a_pause_never(policy: Policy) -> None:
    past = history(100, 90, 80, 70, 60, step=600)
    graceful = verdict(
        with_mode(policy, KillMode.GRACEFUL), past, episode(Action.KILL_SWITCH, 1, 2)
    )
    assert graceful.trip is not None
    assert graceful.trip.flat_row == 4
    pause = verdict(with_mode(policy, KillMode.PAUSE), past, KILLED)
    assert pause.trip is not None
    assert pause.trip.flat_row is None
    assert pause.curve_with is None


def test_without_a_kill_there_is_no_trip(policy: Policy) -> None:
    found = verdict(policy, history(1, 2), episode(Action.HALT_NEW_TRADES, 0, None))
    assert (found.trip, found.curve_with) == (None, None)


def test_the_gate_counts_stretches_and_rows_once(policy: Policy) -> None:
    halt = [episode(Action.HALT_NEW_TRADES, *at) for at in ((1, 3), (2, 5), (7, None))]
    (use,) = verdict(policy, history(*range(1, 11)), *halt, episode(Action.NOTIFY, 0, 9)).gate
    assert (use.action, use.times, use.rows, use.first_row) == (Action.HALT_NEW_TRADES, 2, 7, 1)


@pytest.mark.parametrize("mode", KillMode)
def test_the_gate_stays_closed_by_a_trip_and_holds_what_else_alerts_ask_for(
    policy: Policy, mode: KillMode
) -> None:
    told = [
        episode(Action.KILL_SWITCH, 3, 5),
        episode(Action.HALT_NEW_TRADES, 1, 5),
        episode(Action.KILL_SWITCH, 7, 8),
        episode(Action.FORCE_CLOSE_REVIEW, 7, 8),
    ]
    tripped, halt, review = verdict(with_mode(policy, mode), history(*range(1, 11)), *told).gate
    assert (tripped.enforced, tripped.times, tripped.rows, tripped.first_row) == (True, 1, 7, 3)
    assert ("closes nothing" in tripped.effect) == (mode is KillMode.PAUSE)
    assert (halt.enforced, halt.rows) == (True, 4)
    assert not review.enforced


@pytest.mark.parametrize(("resume", "rows"), [(None, 8), (0, 1), (2 * DAY, 3), (90 * DAY, 8)])
def test_what_waits_for_a_person_holds_until_one_is_said_to_resume(
    policy: Policy, resume: float | None, rows: int
) -> None:
    past = history(*range(1, 11))
    told = replace(episode(Action.HALT_NEW_TRADES, 2, 3), alertname="INTRADAY_DRAWDOWN_CRITICAL")
    clock = Clock.of(policy, past.spacing_seconds)
    (use,) = judge(policy, clock, past, [told], resume).gate
    assert use.rows == rows


def test_false_alarms_are_counted_among_those_that_could_have_been_one(policy: Policy) -> None:
    told = [episode(Action.NOTIFY, 0, 1, milder) for milder in (True, True, False, None)]
    assert verdict(policy, history(1, 2), *told).false_alarm_ratio == pytest.approx(2 / 3)
    assert verdict(policy, history(1, 2), told[3]).false_alarm_ratio is None


def test_alerts_per_month_count_whole_rows(policy: Policy) -> None:
    year = history(*[1.0] * 1461)  # four years
    told = [episode(Action.NOTIFY, row, row + 1) for row in range(48)]
    assert verdict(policy, year, *told).alerts_per_month == pytest.approx(1.0)


def test_an_account_that_is_worth_nothing_has_a_curve_too() -> None:
    assert curve_of((0.0, -1.0)).worst_drawdown == 0
    assert curve_of((1.0, -1.0)).worst_drawdown == 2


@pytest.mark.parametrize("equity", [(), (1.0, 2.0, 3.0)])
def test_a_history_is_whole_or_none(equity: tuple[float, ...]) -> None:
    times = tuple(datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2))[: len(equity)]
    with pytest.raises(BacktestError):
        History("main", times, equity, ())


def test_a_history_is_in_order_of_time() -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(BacktestError, match="does not come after"):
        History("main", (at, at), (1.0, 1.0), ())


@pytest.mark.parametrize(
    ("step", "evaluation", "compression"),
    [(0.25, 1, 1), (1, 1, 1), (30, 30, 1), (60, 60, 1), (3600, 60, 60), (DAY, 60, 1440)],
)
def test_time_runs_slower_only_where_prometheus_would_forget(
    policy: Policy, step: float, evaluation: float, compression: float
) -> None:
    clock = Clock.of(policy, step)
    assert (clock.evaluation_seconds, clock.compression) == (evaluation, compression)
    timed = clock.policy(policy).alerting.escalation.time_based
    assert timed.warning_to_critical_minutes * compression == pytest.approx(5)


def test_a_row_without_a_length_is_refused(policy: Policy) -> None:
    with pytest.raises(BacktestError, match="too short"):
        Clock.of(policy, 0)
