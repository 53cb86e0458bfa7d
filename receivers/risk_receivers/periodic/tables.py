"""Tables of what happened, in words that every report shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from risk_policy.quantities import duration
from risk_receivers.document.model import Block, Cell, Mark, Paragraph, Table, Tone, tone_of
from risk_receivers.periodic import figures
from risk_receivers.periodic.amounts import share
from risk_receivers.periodic.levels import QUANTILES, Level
from risk_receivers.periodic.subject import Subject
from risk_receivers.periodic.told import Alert, Kill

_NOBODY: Final = "nobody"
_EVERYTHING: Final = "everything"
_NAMED: Final = {"median": 0.5, "95 % within": 0.95, "longest": 1.0}


def alert_groups(subject: Subject, most: int | None = None) -> Table:
    """What fired, by name and what it was about, the most frequent first."""
    groups: dict[tuple[str, str], list[Alert]] = {}
    for alert in subject.told.alerts_in(subject.period):
        groups.setdefault((alert.name, alert.risk_id), []).append(alert)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = []
    for (name, about), alerts in ordered[:most]:
        worst = max((one.worst for one in alerts), key=lambda severity: severity.rank)
        still = sum(one.is_open_at(subject.period.end) for one in alerts)
        rows.append(
            (
                name,
                about,
                Mark(worst.value, tone_of(worst)),
                str(len(alerts)),
                str(sum(one.acked_at is not None for one in alerts)),
                str(still),
                subject.period.shown(alerts[-1].at),
            )
        )
    title = "What fired" if most is None or len(ordered) <= most else f"The {most} most frequent"
    heads = ("Alert", "About", "Worst", "Times", "Acknowledged", "Still open", "Last")
    return Table.of(title, heads, rows, numeric=(3, 4, 5), empty="nothing fired")


def alert_rows(subject: Subject, title: str, alerts: Iterable[Alert], empty: str) -> Table:
    """Alerts one by one."""
    rows = [
        (
            subject.period.shown(one.at),
            one.name,
            one.risk_id,
            severity_cell(one),
            f"{one.value} / {one.threshold}" if one.threshold else one.value,
            _lasted(subject, one.at, one.ended_at, one.ended),
            _acked(one),
        )
        for one in alerts
    ]
    heads = ("Began", "Alert", "About", "Severity", "Value / threshold", "Lasted", "Acknowledged")
    return Table.of(title, heads, rows, empty=empty)


def severity_cell(alert: Alert) -> Cell:
    """What it began as, and what it came to count as."""
    worst = alert.worst
    words = worst.value if worst is alert.severity else f"{alert.severity.value} → {worst.value}"
    return Mark(words, tone_of(worst))


def acks(subject: Subject) -> tuple[Block, ...]:
    """Who took on what, and how long it had waited."""
    found = [one for one in subject.told.acks if one.at in subject.period]
    rows = [
        (
            subject.period.shown(one.at),
            one.risk_id,
            one.by or _NOBODY,
            duration(round(one.seconds, 1)) if one.seconds is not None else "not known",
            one.comment,
        )
        for one in found
    ]
    heads = ("When", "About", "By", "After", "Comment")
    return (
        Paragraph(quantile_words(figures.ack_seconds(subject.told, subject.period))),
        Table.of("", heads, rows, numeric=(3,), empty="nothing was acknowledged"),
    )


def quantile_words(seconds: Sequence[float]) -> str:
    """How times are spread; that there are none, if so."""
    if not seconds:
        return "No data: there was no case to measure."
    told = {name: figures.quantile(seconds, share) for name, share in _NAMED.items()}
    words = ", ".join(f"{name} {duration(round(value or 0.0, 1))}" for name, value in told.items())
    return f"{len(seconds)} measured: {words}."


def blocked(subject: Subject) -> Table:
    """Orders that were refused, and why."""
    rows = [
        (subject.period.shown(one.at), one.account, one.order, one.limit, one.reason)
        for one in subject.told.blocked
        if one.at in subject.period
    ]
    heads = ("When", "Account", "Order", "Limit", "Why")
    return Table.of("", heads, rows, empty="no order was refused")


def kills(subject: Subject) -> Table:
    """Every kill that was in force, from its trip to its clearing."""
    period = subject.period
    rows = []
    for one in subject.told.kills:
        if not _was_in_force(subject, one.cleared_at):
            continue
        rows.append(
            (
                period.shown(one.at),
                _EVERYTHING if one.scope == "*" else one.scope,
                one.mode,
                one.by,
                one.reason,
                f"{one.closed} closed, {one.cancelled} orders cancelled",
                _flat(one),
                Mark("in force", Tone.EMERGENCY)
                if one.cleared_at is None
                else f"{period.shown(one.cleared_at)} by {one.cleared_by or _NOBODY}: "
                f"{one.cleared_because}",
            )
        )
    heads = ("Tripped", "Covers", "Mode", "By", "Why", "Positions", "Flat", "Cleared")
    return Table.of("", heads, rows, empty="the kill switch was not in force at any time")


def blocked_groups(subject: Subject) -> Table:
    """The same, counted by who was refused and why."""
    counts = Counter(
        (one.account, one.limit or one.reason)
        for one in subject.told.blocked
        if one.at in subject.period
    )
    rows = [(account, why, f"{count:,}") for (account, why), count in counts.most_common()]
    return Table.of(
        "", ("Account", "Why", "Times"), rows, numeric=(2,), empty="no order was refused"
    )


def _flat(kill: Kill) -> str:
    """When the last account was that is known; those that are not are named."""
    if not kill.flat:
        return "not confirmed"
    took = f"after {_took(kill.at, max(kill.flat.values()))}"
    waiting = sorted(kill.accounts - kill.flat.keys())
    if not waiting:
        return took
    return f"{', '.join(waiting)} not confirmed; {', '.join(sorted(kill.flat))} {took}"


def restrictions(subject: Subject) -> Table:
    """What alerts held at the gate."""
    rows = [
        (
            subject.period.shown(one.at),
            one.kind.replace("_", " "),
            _EVERYTHING if one.scope == "*" else one.scope,
            one.cause,
            _lasted(subject, one.at, one.lifted_at, ""),
            one.lifted if one.lifted_at else Mark("in force", Tone.WARNING),
        )
        for one in subject.told.restrictions
        if _was_in_force(subject, one.lifted_at)
    ]
    heads = ("Imposed", "What", "Covers", "Because of", "Lasted", "Lifted")
    return Table.of("", heads, rows, empty="nothing was held at the gate")


def deliveries(subject: Subject) -> Table:
    """What became of messages, channel by channel."""
    found = [one for one in subject.told.deliveries if one.at in subject.period]
    rows = []
    for channel in sorted({one.channel for one in found}):
        mine = [one for one in found if one.channel == channel]
        good = sum(one.is_delivered for one in mine)
        over = sum(bool(one.taken_over_by) for one in mine)
        lost = len(mine) - good - over
        rows.append(
            (
                channel,
                f"{good:,}",
                f"{over:,}",
                Mark(f"{lost:,}", Tone.CRITICAL if lost else Tone.PLAIN),
                share(good / len(mine)),
            )
        )
    heads = ("Channel", "Confirmed", "Taken over by another", "Given up", "Confirmed of all")
    return Table.of(
        "", heads, rows, numeric=(1, 2, 3, 4), empty="no message went to a channel with people"
    )


def notes(subject: Subject, types: Sequence[str], empty: str) -> Table:
    """Events in the record's own words."""
    rows = [
        (str(one.seq), subject.period.shown(one.at), one.type, one.by, one.text)
        for one in subject.told.notes
        if one.type in types and one.at in subject.period
    ]
    return Table.of("", ("Record", "When", "Type", "By", "What"), rows, numeric=(0,), empty=empty)


def drills(subject: Subject) -> Table:
    """What was rehearsed."""
    rows = [
        (
            subject.period.shown(one.at),
            one.scenario,
            one.environment,
            Mark(one.result, Tone.GOOD if one.result == "PASS" else Tone.CRITICAL),
        )
        for one in subject.told.drills
        if one.at in subject.period
    ]
    return Table.of("", ("Ended", "Scenario", "Where", "Result"), rows, empty="no drill")


def levels_table(levels: Sequence[Level]) -> Table:
    """Promises and what became of them."""
    tones = {True: Tone.GOOD, False: Tone.CRITICAL, None: Tone.PLAIN}
    rows: list[tuple[Cell, ...]] = [
        (
            one.name,
            one.objective,
            "no data" if one.reached is None else share(one.reached),
            str(one.samples) if one.samples else "–",
            *(
                duration(round(one.seconds[share], 3)) if share in one.seconds else "–"
                for share in QUANTILES
            ),
            Mark(one.verdict, tones[one.is_met]),
        )
        for one in levels
    ]
    heads = (
        "Level", "Objective", "Reached", "Cases", "Median", "95 %", "99 %", "Longest", "Verdict",
    )  # fmt: skip
    return Table.of("", heads, rows, numeric=(2, 3, 4, 5, 6, 7))


def _acked(alert: Alert) -> str:
    if alert.acked_at is None:
        return "no"
    is_lost = alert.ended_at is None and not alert.acks_in_force
    took = _took(alert.at, alert.acked_at)
    return f"by {alert.acked_by or _NOBODY} after {took}{', not any more' if is_lost else ''}"


def _lasted(subject: Subject, start: datetime, end: datetime | None, how: str) -> str:
    took = _took(start, end or subject.period.end)
    return f"{took}, {how}" if how == "expired" else took if end else f"{took} so far"


def _took(start: datetime, end: datetime) -> str:
    return duration(round(max((end - start).total_seconds(), 0.0), 1))


def _was_in_force(subject: Subject, ended_at: datetime | None) -> bool:
    """At any time of the period; what began after it is not told at all."""
    return ended_at is None or ended_at >= subject.period.start
