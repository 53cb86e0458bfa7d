"""Service levels: what was promised, what was measured of how many cases. Pure.

Without a case there is no level: nothing is ever met by nothing having been measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from risk_policy.model.reports import Objectives
from risk_policy.quantities import duration, percent
from risk_policy.vocabulary import Severity
from risk_receivers.periodic import figures
from risk_receivers.periodic.measured import JOBS, Measured
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.terms import Terms
from risk_receivers.periodic.told import Alert, Kill, Restriction, Told

#: What is shown of every time that is measured.
QUANTILES: Final = (0.5, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Level:
    """One promise, and what became of it.

    Attributes:
        reached: the share of cases that kept the promise, or of time; None without a case.
        samples: how many cases there were; 0 for what is measured as time.
        seconds: quantiles of the cases' times.
        note: what is to be known of the measure.
    """

    name: str
    objective: str
    wanted: float
    reached: float | None
    samples: int
    seconds: Mapping[float, float] = field(default_factory=dict)
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it was kept; None if nobody can tell."""
        return None if self.reached is None else self.reached >= self.wanted

    @property
    def verdict(self) -> str:
        """The same in words."""
        return {True: "met", False: "missed", None: "no data"}[self.is_met]


def levels(told: Told, period: Period, measured: Measured, terms: Terms) -> tuple[Level, ...]:
    """Every level of a period."""
    objectives = terms.objectives
    return (
        _breach_to_human(told, period, terms),
        _breach_to_gate(told, period, objectives),
        _acknowledged(told, period, objectives),
        _deliveries(told, period, objectives),
        _watched(told, period, objectives),
        *_uptime(measured, objectives),
    )


def _breach_to_human(told: Told, period: Period, terms: Terms) -> Level:
    promised = terms.objectives.breach_to_human_seconds
    seconds, given_up, waiting, quiet = [], 0, 0, 0
    for alert in told.alerts_in(period):
        if alert.severity.rank < Severity.CRITICAL.rank:
            continue
        if alert.told_at is not None:
            seconds.append((alert.told_at - alert.starts_at).total_seconds())
        elif alert.failed:
            given_up += 1
        elif _is_owed(alert, terms.reaches_people):
            waiting += (period.end - alert.starts_at).total_seconds() > promised
        else:
            quiet += 1
    notes = ["critical and worse, until a channel that reaches people has confirmed it"]
    if given_up:
        notes.append(f"{given_up} given up and taken over by nobody count as missed")
    if waiting:
        notes.append(f"{waiting} that no channel has confirmed yet count as missed")
    if quiet:
        notes.append(f"{quiet} that such channels were not to tell of count as nothing")
    never = given_up + waiting
    return _timed("breach to human", promised, terms.objectives, seconds, never, "; ".join(notes))


def _is_owed(alert: Alert, reaches_people: Severity | None) -> bool:
    """Whether people are to be told: not of what is muted, nor below what their channels take."""
    loud_enough = reaches_people is not None and alert.worst.rank >= reaches_people.rank
    return loud_enough and alert.handed_on_at is not None


def _breach_to_gate(told: Told, period: Period, objectives: Objectives) -> Level:
    held: list[Kill | Restriction] = [*told.kills, *told.restrictions]
    seconds = [
        max((one.at - one.starts_at).total_seconds(), 0.0)
        for one in held
        if one.at in period and one.starts_at is not None
    ]
    note = "from the evaluation that saw the breach until the kill or the restriction is on record"
    return _timed("breach to gate", objectives.breach_to_gate_seconds, objectives, seconds, 0, note)


def _acknowledged(told: Told, period: Period, objectives: Objectives) -> Level:
    promised = timedelta(minutes=objectives.acknowledge_minutes)
    seconds, never = [], 0
    for alert in told.alerts_in(period):
        if alert.severity.rank < Severity.CRITICAL.rank:
            continue
        if alert.acked_at is not None:
            seconds.append((alert.acked_at - alert.at).total_seconds())
        elif _waited(alert, period.end) > promised:
            never += 1
    note = "critical and worse; what was over before anybody had to answer counts as nothing"
    if never:
        note += f"; {never} were never acknowledged and count as missed"
    name, wanted = "acknowledgement", promised.total_seconds()
    return _timed(name, wanted, objectives, seconds, never, note)


def _waited(alert: Alert, until: datetime) -> timedelta:
    return (alert.ended_at or until) - alert.at


def _deliveries(told: Told, period: Period, objectives: Objectives) -> Level:
    found = figures.totals(told, period)
    cases = found.delivered + found.given_up
    wanted = objectives.delivery_success_pct / 100
    return Level(
        name="delivery",
        objective=f"{objectives.delivery_success_pct:g}%",
        wanted=wanted,
        reached=found.delivered / cases if cases else None,
        samples=cases,
        note="messages through channels that reach people; what another channel took over counts "
        "as what that one made of it",
    )


def _watched(told: Told, period: Period, objectives: Objectives) -> Level:
    """From the chain alone: whether Prometheus was heard, as long as anything is on record."""
    start = max(period.start, told.first or period.end)
    end = min(period.end, told.last or period.start)
    seconds = (end - start).total_seconds()
    silent = sum(
        one.seconds_in(Period(start, end, period.zone))
        for one in told.outages
        if seconds > 0 and one.feed == "alerts"
    )
    note = "nothing is on record in this period"
    if seconds > 0:
        note = (
            f"Prometheus was silent for {duration(round(silent, 3))} of {duration(round(seconds))} "
            "from the first record of the period to its last; while the receivers were down nobody "
            "recorded"
        )
    return Level(
        name="limits watched",
        objective=f"{objectives.uptime_pct:g}%",
        wanted=objectives.uptime_pct / 100,
        reached=max(1 - silent / seconds, 0.0) if seconds > 0 else None,
        samples=0,
        note=note,
    )


def _uptime(measured: Measured, objectives: Objectives) -> list[Level]:
    wanted = objectives.uptime_pct / 100
    found = []
    for job, name in JOBS.items():
        up = measured.up.get(job)
        note = measured.problem or "Prometheus has no scrapes of it in the period"
        if up is not None:
            covers = (
                "" if up.covered is None else f", which cover {percent(up.covered)} of the period"
            )
            note = f"of the scrapes there were{covers}"
        found.append(
            Level(
                name=f"uptime of {name}",
                objective=f"{objectives.uptime_pct:g}%",
                wanted=wanted,
                reached=None if up is None else up.ratio,
                samples=0,
                note=note,
            )
        )
    return found


def _timed(
    name: str,
    promised_seconds: float,
    objectives: Objectives,
    seconds: Sequence[float],
    never: int,
    note: str,
) -> Level:
    cases = len(seconds) + never
    kept = sum(one <= promised_seconds for one in seconds)
    return Level(
        name=name,
        objective=f"{objectives.within_pct:g}% within {duration(promised_seconds)}",
        wanted=objectives.within_pct / 100,
        reached=kept / cases if cases else None,
        samples=cases,
        seconds={
            share: value
            for share in QUANTILES
            if (value := figures.quantile(seconds, share)) is not None
        },
        note=note,
    )
