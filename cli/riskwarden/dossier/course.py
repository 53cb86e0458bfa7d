"""The steps of an incident as a picture and as tables: when, who, and what was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from risk_policy.catalogue.limits.limit import Kind
from risk_policy.quantities import duration
from risk_policy.vocabulary import Tier
from risk_receivers.document.model import (
    Block,
    Bound,
    Cell,
    Mark,
    Moment,
    Paragraph,
    Point,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
    tone_of,
)
from riskwarden.dossier.steps import NOTIFIED, Step, Told, since_before
from riskwarden.dossier.watched import Watched

_UNITS: Final = {Kind.RATIO: Unit.RATIO, Kind.TIME: Unit.SECONDS}
_TONES: Final = {
    Tier.WARNING: Tone.WARNING,
    Tier.CRITICAL: Tone.CRITICAL,
    Tier.EMERGENCY: Tone.EMERGENCY,
}
#: As many lines can be told apart across a chart.
_MOMENTS: Final = 50


def course(told: Told, watched: Watched) -> Iterator[Block]:
    """All there is to say of the steps."""
    steps = told.steps
    if watched.lines:
        yield _chart(watched, steps)
    days = {f"{step.at.astimezone(UTC):%Y-%m-%d}" for step in steps}
    one_day = next(iter(days)) if len(days) == 1 else ""
    yield Table.of(
        "Steps",
        ("", "step", f"at (UTC{f', {one_day}' if one_day else ''})", "since the one before",
         "by the clock of", "what happened", "who", "record"),
        [
            (
                f"{number}",
                Mark(step.name, _tone(step)),
                time_shown(step.at) if one_day else at_shown(step.at),
                "" if span is None else span_shown(span),
                step.clock,
                step.what,
                step.actor or (f"through {step.channel}" if step.channel else ""),
                "" if step.record is None else str(step.record.seq),
            )
            for number, (step, span) in enumerate(zip(steps, since_before(steps), strict=True), 1)
        ],
        numeric=(0, 3, 7),
    )  # fmt: skip
    for name, number in told.left_out.items():
        yield Paragraph(f"{name}: {number} more, each on record.")
    yield from _values(watched, steps)


def _values(watched: Watched, steps: Sequence[Step]) -> Iterator[Block]:
    """What was measured at each step, and what that was held against."""
    said = any(step.said_value for step in steps)
    if not (said or watched.lines):
        return
    bounds = sorted(watched.thresholds.items(), key=lambda one: one[0].rank)
    yield Table.of(
        "Values",
        ("", "step", "as the alert said", "in Prometheus", "of", "beyond",
         *(tier.value for tier, _ in bounds)),
        [
            (
                f"{number}",
                step.name,
                _said(step),
                *_scraped(watched, step),
                *(watched.shown(value) for _, value in bounds),
            )
            for number, step in enumerate(steps, 1)
        ],
        numeric=(0, *range(6, 6 + len(bounds))),
    )  # fmt: skip
    if watched.lines:
        yield Paragraph(
            "What stands for Prometheus is the last value that it had scraped at the time of the "
            "step, and when it scraped that; what an alert says may be newer. Thresholds are those "
            "that its rules had then."
        )


def _said(step: Step) -> str:
    if not step.said_value:
        return ""
    against = f", threshold {step.said_threshold}" if step.said_threshold else ""
    return f"{step.said_value}{against}"


def _scraped(watched: Watched, step: Step) -> tuple[str, str, Cell]:
    sample = watched.at(step.at)
    if sample is None:
        return ("none" if watched.lines else "not known"), "", ""
    tier = watched.tier_of(sample.value)
    beyond = Mark("no threshold") if tier is None else Mark(tier.value, _TONES[tier])
    return watched.shown(sample.value), time_shown(sample.at), beyond


def _chart(watched: Watched, steps: Sequence[Step]) -> TimeChart:
    assert watched.limit is not None
    several = len(watched.lines) > 1
    return TimeChart(
        f"{watched.limit.title} against its thresholds",
        tuple(
            Series(
                f"{watched.limit.metric.name}"
                f"{' ' + line.labels.get('instance', '') if several else ''}",
                tuple(
                    Point(sample.at, sample.value if math.isfinite(sample.value) else None)
                    for sample in line.samples
                ),
            )
            for line in watched.lines
        ),
        tuple(
            Bound(f"{tier.value} {watched.shown(value)}", value, _TONES[tier])
            for tier, value in watched.thresholds.items()
        ),
        tuple(_moments(watched, steps)),
        _UNITS.get(watched.limit.unit.kind, Unit.NUMBER),
    )


def _moments(watched: Watched, steps: Sequence[Step]) -> Iterator[Moment]:
    """The first step of each name. Those that a chart cannot show apart share a line."""
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.name, step)
    times = [sample.at for line in watched.lines for sample in line.samples]
    times += [step.at for step in once.values()]
    apart = (max(times) - min(times)) / _MOMENTS
    groups: list[list[Step]] = []
    for step in once.values():
        if groups and step.at - groups[-1][0].at < apart:
            groups[-1].append(step)
        else:
            groups.append([step])
    for group in groups:
        worst = max(group, key=lambda step: list(Tone).index(_tone(step)))
        yield Moment(", ".join(step.name for step in group), group[0].at, _tone(worst))


def _tone(step: Step) -> Tone:
    severity = step.record.payload.severity if step.record is not None else None
    return Tone.PLAIN if step.name == NOTIFIED else tone_of(severity)


def span_shown(span: timedelta) -> str:
    """A time between two moments; clocks may disagree about which came first."""
    seconds = span.total_seconds()
    rounded = round(abs(seconds), 3 if abs(seconds) >= 1 else 4)
    return f"{'-' if seconds < 0 and rounded else ''}{duration(rounded)}"


def at_shown(moment: datetime) -> str:
    """A time in UTC, with its day."""
    return f"{moment.astimezone(UTC):%Y-%m-%d} {time_shown(moment)}"


def time_shown(moment: datetime) -> str:
    """To the millisecond, cut off: no step stands later than it was."""
    return moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
