"""The dossier of an incident as a document. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from risk_policy.catalogue.limits.limit import Kind
from risk_policy.contracts import alert as labels
from risk_policy.contracts.audit import EventType
from risk_policy.quantities import duration
from risk_policy.vocabulary import Severity, Tier
from risk_receivers.document.model import (
    Block,
    Bound,
    Cell,
    Document,
    Figure,
    Figures,
    Findings,
    Mark,
    Moment,
    Paragraph,
    Point,
    Preformatted,
    Section,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
    tone_of,
)
from riskwarden.dossier.listing import Known
from riskwarden.dossier.steps import (
    ACKNOWLEDGED,
    BREACH,
    FIRED,
    FLAT,
    KILLED,
    NOTIFIED,
    RECORDED,
    Step,
    Told,
    since_before,
)
from riskwarden.dossier.trail import Record, Trail
from riskwarden.dossier.undone import undone
from riskwarden.dossier.watched import Watched

_UNITS: Final = {Kind.RATIO: Unit.RATIO, Kind.TIME: Unit.SECONDS}
_TONES: Final = {
    Tier.WARNING: Tone.WARNING,
    Tier.CRITICAL: Tone.CRITICAL,
    Tier.EMERGENCY: Tone.EMERGENCY,
}
_NOT_KNOWN: Final = "not on record"


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a dossier is made of.

    Attributes:
        others: what else is on record of the same figure.
    """

    trail: Trail
    told: Told
    watched: Watched
    others: Sequence[Known]
    database: str
    made_at: datetime


def document(case: Case) -> Document:
    """The whole dossier."""
    trail = case.trail
    created = next(iter(trail.of(EventType.ALERT_CREATED)), None)
    name = created.labels.get(labels.ALERTNAME, "") if created else ""
    return Document(
        f"Incident {trail.incident}{f': {name}' if name else ''}",
        tuple(_meta(case, created)),
        (
            *_summary(created),
            Figures(tuple(_spans(case.told))),
            Section("What to know", (Findings(tuple(undone(trail, case.told, case.watched))),)),
            Section("Step by step", tuple(_course(case))),
            Section("Messages as they were sent", (_messages(trail),)),
            *_others(case),
            Section("Proof", tuple(_proof(case))),
        ),
    )


def _meta(case: Case, created: Record | None) -> Iterator[tuple[str, str]]:
    trail = case.trail
    severities = [one.payload.severity for one in trail.records if one.payload.severity]
    worst = max(severities, key=lambda one: one.rank, default=Severity.INFO)
    if created is not None:
        yield "Account", created.labels.get("account", "none")
        yield "Began", _at(created.recorded_at)
        yield "Policy", created.text("policy_digest") or _NOT_KNOWN
        yield "Runbook", created.annotations.get("runbook_url", "none")
    yield "Counted as", worst.value
    yield "Values from", case.watched.source or "nowhere"
    yield "On record until", _at(trail.recorded_until) if trail.recorded_until else _NOT_KNOWN
    yield "Audit chain", f"{case.database}, head {trail.verification.head}"
    yield "Made at", _at(case.made_at)


def _summary(created: Record | None) -> Iterator[Block]:
    if created is not None:
        text = created.annotations.get("description") or created.payload.message
        yield Paragraph(text, tone_of(created.payload.severity))


def _spans(told: Told) -> Iterator[Figure]:
    """How long what mattered took, from the breach on."""
    start = told.first(BREACH) or told.first(FIRED) or told.first(RECORDED)
    if start is None:
        return
    for label, name in (
        ("On record", RECORDED),
        ("Kill switch", KILLED),
        ("Flat", FLAT),
        ("Somebody told", NOTIFIED),
        ("Acknowledged", ACKNOWLEDGED),
    ):
        step = told.first(name)
        if step is None:
            yield Figure(label, "never", f"{_NOT_KNOWN}")
        else:
            yield Figure(label, _span(step.at - start.at), f"after the {start.name}")


def _course(case: Case) -> Iterator[Block]:
    steps = case.told.steps
    if case.watched.lines:
        yield _chart(case.watched, steps)
    yield Table.of(
        "Steps",
        ("step", "what happened", "at (UTC)", "since the one before", "by the clock of", "who",
         "channel", "measured", "in Prometheus", "record"),
        [
            (
                Mark(step.name, _tone(step)),
                step.what,
                _at(step.at),
                "" if span is None else _span(span),
                step.clock,
                step.actor,
                step.channel,
                _said(step),
                _scraped(case.watched, step),
                "" if step.record is None else str(step.record.seq),
            )
            for step, span in zip(steps, since_before(steps), strict=True)
        ],
        numeric=(3, 9),
    )  # fmt: skip
    for name, number in case.told.left_out.items():
        yield Paragraph(f"{name}: {number} more, each on record.")
    if case.watched.lines:
        bounds = ", ".join(
            f"{tier.value} {case.watched.shown(value)}"
            for tier, value in sorted(case.watched.thresholds.items(), key=lambda one: one[0].rank)
        )
        yield Paragraph(
            f"Thresholds then: {bounds or 'not recorded'}. A value in Prometheus is the last one "
            "it had scraped at the time of the step, with the time of that scrape; what an alert "
            "measured may be newer."
        )


def _said(step: Step) -> str:
    if not step.said_value:
        return ""
    against = f", threshold {step.said_threshold}" if step.said_threshold else ""
    return f"{step.said_value}{against}"


def _scraped(watched: Watched, step: Step) -> str:
    sample = watched.at(step.at)
    if sample is None:
        return "none" if watched.lines else ""
    tier = watched.tier_of(sample.value)
    beyond = f", beyond {tier.value}" if tier is not None else ""
    return f"{watched.shown(sample.value)}{beyond} ({_time(sample.at)})"


def _chart(watched: Watched, steps: Sequence[Step]) -> TimeChart:
    assert watched.limit is not None
    once: dict[str, Step] = {}
    for step in steps:
        once.setdefault(step.name, step)
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
        tuple(Moment(step.name, step.at, _tone(step)) for step in once.values()),
        _UNITS.get(watched.limit.unit.kind, Unit.NUMBER),
    )


def _messages(trail: Trail) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            _at(record.recorded_at),
            record.text("channel"),
            record.text("kind"),
            record.text("title"),
            record.text("text") or "its content is not on record",
            _waited(record),
            str(record.seq),
        )
        for record in trail.of(EventType.NOTIFICATION_SENT)
    ]
    return Table.of(
        "Messages",
        ("confirmed at", "channel", "kind", "title", "text", "due until confirmed", "record"),
        rows,
        numeric=(5, 6),
        empty="None is on record: what is written to the console or a file proves nothing about "
        "anybody.",
    )


def _waited(record: Record) -> str:
    try:
        due_at = datetime.fromisoformat(record.text("due_at"))
    except ValueError:
        return ""
    return _span(record.recorded_at - due_at)


def _others(case: Case) -> Iterator[Section]:
    if not case.others:
        return
    rows: list[tuple[Cell, ...]] = [
        (
            Mark(one.id, code=True),
            one.alertname,
            Mark(one.severity.value, tone_of(one.severity)),
            _at(one.began_at),
            one.state if one.ended_at is None else f"{one.state} {_at(one.ended_at)}",
            "yes" if one.acknowledged else "no",
        )
        for one in case.others
    ]
    heads = ("incident", "alert", "counted as", "began", "state", "acknowledged")
    yield Section("The same figure before and after", (Table.of("Incidents", heads, rows),))


def _proof(case: Case) -> Iterator[Block]:
    trail = case.trail
    verification = trail.verification
    if verification.ok:
        yield Paragraph(
            f"All {verification.events} records of the chain were verified for this dossier: every "
            "checksum is that of its record, and every record names the checksum of the one "
            f"before it, up to the head {verification.head}.",
            Tone.GOOD,
        )
    else:
        yield Paragraph(f"The chain does not verify: {verification.problems[0]}", Tone.EMERGENCY)
    yield Table.of(
        "Records",
        ("record", "type", "recorded at (UTC)", "checksum", "follows", "content"),
        [
            (
                str(record.seq),
                record.event_type,
                _at(record.recorded_at),
                Mark(record.checksum, code=True),
                Mark(record.previous_checksum, code=True),
                Mark("; ".join(record.problems), Tone.EMERGENCY)
                if record.problems
                else Mark("as written", Tone.GOOD),
            )
            for record in trail.records
        ],
        numeric=(0,),
    )
    yield Paragraph("To check it yourself:")
    yield Preformatted(
        f"riskwarden audit verify --database {case.database} --head {verification.head}"
    )


def _tone(step: Step) -> Tone:
    severity = step.record.payload.severity if step.record is not None else None
    return Tone.PLAIN if step.name == NOTIFIED else tone_of(severity)


def _span(span: timedelta) -> str:
    """A time between two moments; clocks may disagree about which came first."""
    seconds = span.total_seconds()
    rounded = round(abs(seconds), 3 if abs(seconds) >= 1 else 4)
    return f"{'-' if seconds < 0 and rounded else ''}{duration(rounded)}"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d} {_time(moment)}"


def _time(moment: datetime) -> str:
    """To the millisecond, cut off: no step stands later than it was."""
    return moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]
