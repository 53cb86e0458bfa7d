"""What terminal and page say alike."""

from __future__ import annotations

from datetime import datetime

from risk_policy.catalogue.limits import LIMITS
from risk_policy.quantities import duration, percent, shown
from risk_policy.restricting import latching
from risk_policy.vocabulary import KillMode
from risk_rules.backtest import Episode
from risk_rules.backtest.verdict import GateUse
from riskwarden.backtest.runs import Run

_KINDS = {limit.name: limit.unit.kind for limit in LIMITS}


def notes(run: Run) -> list[str]:
    """What has to be known to read the figures rightly."""
    clock, said = run.clock, []
    if clock.step_seconds < clock.evaluation_seconds * (1 - 1e-9):
        said.append(
            f"a row lasts {_long(clock.step_seconds)} and rules are evaluated every "
            f"{duration(clock.evaluation_seconds)}, so {run.evaluations} of "
            f"{len(run.history.times)} rows are seen"
        )
    else:
        said.append(
            f"each row is one evaluation and lasts {_long(clock.step_seconds)}; timers count "
            "in rows, to the nearest"
        )
    said.append(
        "alerts are taken as acknowledged at once: nothing escalates by time"
        if run.answered
        else "nobody acknowledges anything: alerts escalate by time as far as they can"
    )
    said.append(
        "counts of repeated breaches, and storms, are evaluated every time; a live Prometheus "
        "evaluates them less often and tells some evaluations later"
    )
    if latching(run.policy):
        wait = run.resume_seconds
        said.append(
            "what waits for a person to resume trading "
            + ("waits to the end" if wait is None else f"is resumed {_long(wait)} after its alert")
            + "; what the gate refuses is told and not taken out of the book"
        )
    said.append("watched: " + ", ".join(run.watched))
    if run.verdict.trip is not None and run.verdict.curve_with is None:
        said.append("kill switch mode pause closes nothing, so there is no account with it")
    elif run.policy.alerting.kill_switch.mode is not KillMode.PAUSE:
        said.append("with the kill switch: flat at the prices of its row, for good; no costs")
    return said


def doer(use: GateUse) -> str:
    """Who does what an action asks for."""
    return "the gate" if use.enforced else "people"


def title(run: Run) -> str:
    """Which policy."""
    return run.policy.source or "policy"


def moment(run: Run, row: int | None) -> str:
    """When a row was; days without the time of day."""
    if row is None:
        return "still firing"
    return when(run.history.times[row], daily=run.history.spacing_seconds >= 86_400)


def when(at: datetime, *, daily: bool) -> str:
    """A market time as people read it."""
    return f"{at:%Y-%m-%d}" if daily else f"{at:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def worst(episode: Episode) -> str:
    """The most dangerous value."""
    if episode.worst is None:
        return ""
    return shown(_KINDS[episode.limit], episode.worst)


def escalations(run: Run, episode: Episode) -> str:
    """How it went on, e.g. ``critical (time)``."""
    return ", ".join(
        f"{e.severity} ({e.why}" + (f", {moment(run, e.row)})" if e.row != episode.began else ")")
        for e in episode.escalations
    )


def headline(run: Run) -> list[tuple[str, str]]:
    """The figures that count, named."""
    verdict = run.verdict
    without, with_ = verdict.curve, verdict.curve_with
    trip = verdict.trip
    rate = verdict.false_alarm_ratio
    return [
        ("alerts", f"{len(verdict.episodes)}"),
        ("alerts per month", f"{verdict.alerts_per_month:.2f}"),
        ("false alarms", "none could be" if rate is None else percent(rate)),
        (
            "kill switch",
            "not tripped" if trip is None else f"{moment(run, trip.row)} by {trip.alertname}",
        ),
        ("orders held back", "unknown" if run.held_back is None else f"{run.held_back}"),
        ("profit without", f"{percent(without.profit_ratio)} ({without.profit:,.0f})"),
        ("worst drawdown without", percent(without.worst_drawdown)),
        (
            "profit with",
            "the same" if with_ is None else f"{percent(with_.profit_ratio)} ({with_.profit:,.0f})",
        ),
        (
            "worst drawdown with",
            "the same" if with_ is None else percent(with_.worst_drawdown),
        ),
    ]


def _long(seconds: float) -> str:
    """A duration without the parts that are zero."""
    text = duration(seconds)
    whole = [part for part in text.split() if not part.startswith("0")]
    return " ".join(whole) if seconds >= 1 else text
