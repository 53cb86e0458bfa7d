"""One policy over one history, from snapshots to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue.limits import DAILY_LOSS, DRAWDOWN, INTRADAY_DRAWDOWN
from risk_rules.backtest import Clock, History, Replay, Verdict, episodes, judge, merged
from riskwarden.backtest.held_back import held_back
from riskwarden.backtest.inputs import Kind, Source
from riskwarden.backtest.measured import measured
from riskwarden.backtest.promtool import run_jobs

#: What follows from equity alone.
_OF_EQUITY: Final = tuple(limit.metric.name for limit in (DAILY_LOSS, DRAWDOWN, INTRADAY_DRAWDOWN))


@dataclass(frozen=True, slots=True)
class Wish:
    """How to replay.

    Attributes:
        step_seconds: wall time a row is worth; None for the usual spacing of the rows.
        answered: whether somebody acknowledges everything at once; None to have it so where
            a row is longer than every timer, as nothing could be told apart then.
        workers: how many promtool processes at a time.
        resume_seconds: how long after its alert somebody resumes what waits for a person; None if
            nobody does.
    """

    step_seconds: float | None = None
    answered: bool | None = None
    workers: int = 2
    resume_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A policy, what it was replayed over, and what came of it.

    Attributes:
        watched: limits that the history says something about.
        evaluations: how many evaluations the history is, for every limit.
        replayed: how many evaluations promtool did; the rest were calm.
        held_back: how many orders of the book the gate would have held back before the kill switch
            tripped; None where nobody knows the orders.
        resume_seconds: how long after its alert somebody resumes; None if nobody does.
    """

    policy: Policy
    history: History
    clock: Clock
    answered: bool
    watched: tuple[str, ...]
    evaluations: int
    replayed: int
    verdict: Verdict
    held_back: int | None = None
    resume_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far it is."""

    measuring: Callable[[int], None] = lambda _: None
    measured: Callable[[], None] = lambda: None
    replaying: Callable[[int], None] = lambda _: None
    replayed: Callable[[int], None] = lambda _: None


def backtest(policy: Policy, source: Source, wish: Wish, progress: Progress) -> Run:
    """Replay a policy. Raises ExporterError, RulesError or PromtoolError."""
    progress.measuring(len(source.snapshots))
    history = measured(
        policy, source.account, source.snapshots, source.closes, source.name, progress.measured
    )
    if source.kind is Kind.EQUITY:
        # Nobody knows what the account holds, so of that nothing can be said.
        known = tuple(one for one in history.series if one.metric in _OF_EQUITY)
        history = replace(history, series=known)
    clock = Clock.of(policy, wish.step_seconds or history.spacing_seconds)
    answered = _within_a_row(policy, clock) if wish.answered is None else wish.answered
    replay = Replay(policy, history, clock, answered=answered)
    jobs = list(replay.jobs())
    evaluations = sum(job.span.length for job in jobs)
    progress.replaying(evaluations)
    fired = merged(run_jobs(jobs, wish.workers, progress.replayed))
    told = episodes(fired, replay.rows, history)
    verdict = judge(policy, clock, history, told, wish.resume_seconds)
    return Run(
        policy=policy,
        history=history,
        clock=clock,
        answered=answered,
        watched=tuple(limit.name for limit in replay.limits),
        evaluations=len(replay.rows),
        replayed=evaluations,
        verdict=verdict,
        held_back=len(held_back(policy, clock, history, told, source.orders, wish.resume_seconds))
        if source.orders
        else None,
        resume_seconds=wish.resume_seconds,
    )


def _within_a_row(policy: Policy, clock: Clock) -> bool:
    """Whether every timer of an unanswered alert runs out within the row it starts in."""
    how = policy.alerting.escalation.time_based
    longest = 60 * max(
        how.warning_to_critical_minutes,
        how.critical_to_emergency_minutes,
        how.emergency_kill_switch_minutes,
    )
    return clock.step_seconds >= 2 * longest
