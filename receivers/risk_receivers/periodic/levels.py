"""Service levels: what was promised, what was measured of how many cases. Pure.

Without a case there is no level: nothing is ever met by nothing having been measured. And time in
which nobody looked counts neither way: met is what would be met if all of it had been bad, missed
what would be missed if all of it had been good.

A case is decided when its promise is kept, or when the time for that is over. It belongs to the
period in which that is, so what begins right before a period ends is judged in the next one, and
no case falls between two reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from risk_policy.contracts.jobs import JOBS, RECEIVERS_JOB
from risk_policy.model.reports import Objectives
from risk_policy.quantities import duration
from risk_policy.vocabulary import Severity
from risk_receivers.periodic import figures
from risk_receivers.periodic.amounts import share, span
from risk_receivers.periodic.measured import Measured
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
        covered: the share of the time that anything is known of; of cases it is all.
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
    covered: float = 1.0

    @property
    def is_met(self) -> bool | None:
        """Whether it was kept; None if nobody can tell."""
        if self.reached is None:
            return None
        least = self.reached * self.covered
        if least >= self.wanted:
            return True
        return None if least + (1 - self.covered) >= self.wanted else False

    @property
    def verdict(self) -> str:
        """The same in words."""
        if self.reached is None:
            return "no data"
        return {True: "met", False: "missed", None: "cannot be told"}[self.is_met]


def levels(told: Told, period: Period, measured: Measured, terms: Terms) -> tuple[Level, ...]:
    """Every level of a period."""
    objectives = terms.objectives
    return (
        _breach_to_human(told, period, terms),
        _breach_to_gate(told, period, objectives),
        _acknowledged(told, period, objectives),
        _deliveries(told, period, objectives),
        _watched(told, period, measured, objectives),
        *_uptime(measured, objectives),
    )


def _breach_to_human(told: Told, period: Period, terms: Terms) -> Level:
    promised = timedelta(seconds=terms.objectives.breach_to_human_seconds)
    seconds, given_up, waiting, quiet = [], 0, 0, 0
    for alert in _critical(told):
        quiet += alert.at in period and not _is_told_of(alert, terms.reaches_people)
        if not _is_decided_in(period, alert, alert.starts_at + promised, alert.told_at):
            continue
        if alert.told_at is not None:
            seconds.append(_between(alert.starts_at, alert.told_at))
        elif alert.failed:
            given_up += 1
        elif _is_owed(alert, terms.reaches_people):
            waiting += 1
    notes = ["critical and worse, until a channel that reaches people has confirmed it"]
    if given_up:
        notes.append(f"{given_up} given up and taken over by nobody count as missed")
    if waiting:
        notes.append(f"{waiting} that no channel has confirmed yet count as missed")
    if quiet:
        notes.append(f"{quiet} that such channels were not to tell of count as nothing")
    never = given_up + waiting
    return _timed("breach to human", promised, terms.objectives, seconds, never, "; ".join(notes))


def _critical(told: Told) -> Iterator[Alert]:
    return (one for one in told.alerts if one.severity.rank >= Severity.CRITICAL.rank)


def _is_told_of(alert: Alert, reaches_people: Severity | None) -> bool:
    """Whether people were told, or are to be."""
    return bool(alert.told_at or alert.failed) or _is_owed(alert, reaches_people)


def _is_owed(alert: Alert, reaches_people: Severity | None) -> bool:
    """Whether people are to be told: not of what is muted, nor below what their channels take."""
    loud_enough = reaches_people is not None and alert.worst.rank >= reaches_people.rank
    return loud_enough and alert.handed_on_at is not None


def _is_decided_in(period: Period, alert: Alert, until: datetime, kept_at: datetime | None) -> bool:
    """Whether a promise about an alert was kept or broken in a period.

    What arrives late is decided as it arrives: nobody could count it before.
    """
    decided = until if kept_at is None else min(until, kept_at)
    return max(decided, alert.at) in period


def _breach_to_gate(told: Told, period: Period, objectives: Objectives) -> Level:
    promised = timedelta(seconds=objectives.breach_to_gate_seconds)
    held: list[Kill | Restriction] = [*told.kills, *told.restrictions]
    seconds = [
        _between(one.starts_at, one.at)
        for one in held
        if one.at in period and one.starts_at is not None
    ]
    never = sum(
        _is_decided_in(period, one, one.starts_at + promised, None)
        for one in told.alerts
        if one.asks_gate
        and one.held_at is None
        and (one.ended_at is None or one.ended_at > one.starts_at + promised)
    )
    note = "from the evaluation that saw the breach until the kill or the restriction is on record"
    if never:
        note += f"; {never} that asked for one and led to none count as missed"
    return _timed("breach to gate", promised, objectives, seconds, never, note)


def _acknowledged(told: Told, period: Period, objectives: Objectives) -> Level:
    promised = timedelta(minutes=objectives.acknowledge_minutes)
    seconds, never = [], 0
    for alert in _critical(told):
        until = alert.at + promised
        if not _is_decided_in(period, alert, until, alert.acked_at):
            continue
        if alert.acked_at is not None:
            seconds.append(_between(alert.at, alert.acked_at))
        elif alert.ended_at is None or alert.ended_at > until:
            never += 1
    note = "critical and worse; what was over before anybody had to answer counts as nothing"
    if never:
        note += f"; {never} were never acknowledged and count as missed"
    return _timed("acknowledgement", promised, objectives, seconds, never, note)


def _between(start: datetime, end: datetime) -> float:
    """Seconds; clocks may disagree about which came first."""
    return max((end - start).total_seconds(), 0.0)


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


def _watched(told: Told, period: Period, measured: Measured, objectives: Objectives) -> Level:
    """From the chain: whether Prometheus was heard, as long as anybody was there to hear it."""
    start = max(period.start, told.first or period.end)
    end = min(period.end, told.last or period.start)
    seconds = (end - start).total_seconds()
    silent = sum(
        one.seconds_in(Period(start, end, period.zone))
        for one in told.outages
        if seconds > 0 and one.feed == "alerts"
    )
    deaf = _deaf_seconds(told, period, measured)
    note = "nothing is on record in this period"
    if seconds > 0:
        note = (
            f"Prometheus was silent for {duration(round(silent, 3))} of {duration(round(seconds))} "
            "from the first record of the period to its last"
        )
    if deaf:
        note += (
            f"; for some of {duration(round(deaf, 3))} before starts of the receivers nobody was "
            "there to hear it"
        )
    return Level(
        name="limits watched",
        objective=f"{objectives.uptime_pct:g}%",
        wanted=objectives.uptime_pct / 100,
        reached=max(1 - silent / seconds, 0.0) if seconds > 0 else None,
        samples=0,
        note=note,
        covered=max(1 - deaf / seconds, 0.0) if seconds > 0 else 1.0,
    )


def _deaf_seconds(told: Told, period: Period, measured: Measured) -> float:
    """For how long, at most, the receivers did not run: by the chain, and by Prometheus if less.

    A service at rest writes no records, so the chain tells only when it ran last at the earliest.
    """
    deaf = sum(
        max((min(until, period.end) - max(last, period.start)).total_seconds(), 0.0)
        for last, until in told.unrecorded
    )
    up = measured.up.get(RECEIVERS_JOB)
    return deaf if up is None else min(deaf, (1 - up.ratio * up.covered) * period.seconds)


def _uptime(measured: Measured, objectives: Objectives) -> list[Level]:
    wanted = objectives.uptime_pct / 100
    found = []
    for job, name in JOBS.items():
        up = measured.up.get(job)
        note = measured.problem or "Prometheus has no scrapes of it in the period"
        if up is not None:
            note = (
                f"of the scrapes that there were, which cover {share(up.covered)} of the period; "
                "of the rest nobody knows"
                if up.covered < 1
                else "of all scrapes of the period"
            )
        found.append(
            Level(
                name=f"uptime of {name}",
                objective=f"{objectives.uptime_pct:g}%",
                wanted=wanted,
                reached=None if up is None else up.ratio,
                samples=0,
                note=note,
                covered=1.0 if up is None else up.covered,
            )
        )
    return found


def _timed(
    name: str,
    promised: timedelta,
    objectives: Objectives,
    seconds: Sequence[float],
    never: int,
    note: str,
) -> Level:
    cases = len(seconds) + never
    promised_seconds = promised.total_seconds()
    kept = sum(one <= promised_seconds for one in seconds)
    return Level(
        name=name,
        objective=f"{objectives.within_pct:g}% within {span(promised_seconds)}",
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
